"""Holes that were published in projects of this kind, and our own, each with its link.

A new hole adds a test that fails before its fix.
"""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from local.functions import FunctionError
from tests.support import stored
from tests.support.callers import at_once

LOGIN = "/sns/jscode2session"
PHONE = "/wxa/business/getuserphonenumber"
CONTENT = "/wxa/msg_sec_check"


def part(content):
    """Return a JWT's header or payload."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@pytest.fixture
def token(person):
    return person("alice").register()


@pytest.fixture
def key(backend, token) -> Any:
    """Return the private key that signed the token, so that a forged token has only one fault."""
    kid = jwt.get_unverified_header(token)["kid"]
    keys = json.loads(backend.parameter("signing-keys"))["keys"]
    (found,) = [each for each in keys if each["kid"] == kid]
    return RSAAlgorithm.from_jwk({name: found[name] for name in ("kty", "n", "e", "d")})


@pytest.fixture
def userinfo(backend):
    """Return the status that /userinfo answers to a token."""

    def ask(token):
        headers = [("Authorization", f"Bearer {token}")]
        return backend.send("GET", "/userinfo", headers=headers).status

    return ask


@pytest.fixture
def resigned(token, key):
    """Sign the token anew, with changed claims or a changed header."""

    def sign(header=None, **claims):
        claims = {**jwt.decode(token, options={"verify_signature": False}), **claims}
        header = {**jwt.get_unverified_header(token), **(header or {})}
        signed = f"{part(header)}.{part(claims)}"
        signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(signed.encode(), key)
        return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    return sign


class TestTokens:
    def test_the_forger_of_these_tests_makes_valid_signatures(self, userinfo, token, resigned):
        assert (userinfo(token), userinfo(resigned())) == (200, 200)

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
    def test_an_unsigned_token_is_refused(self, userinfo, token, algorithm):
        # https://auth0.com/blog/critical-vulnerabilities-in-json-web-token-libraries/
        header = {**jwt.get_unverified_header(token), "alg": algorithm}

        assert userinfo(f"{part(header)}.{token.split('.')[1]}.") == 403

    @pytest.mark.parametrize("form", ["PEM", "DER", "OpenSSH", "JWK"])
    def test_a_public_key_is_no_hmac_secret(self, backend, userinfo, token, key, form):
        # CVE-2022-29217: https://github.com/advisories/GHSA-ffqj-6fqr-9h24
        # CVE-2026-48526, with a JWK: https://nvd.nist.gov/vuln/detail/CVE-2026-48526
        forms = {
            "PEM": (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "DER": (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "OpenSSH": (Encoding.OpenSSH, PublicFormat.OpenSSH),
        }
        if form == "JWK":
            secret = json.dumps(backend.public_keys()["keys"][0]).encode()
        else:
            secret = key.public_key().public_bytes(*forms[form])
        header = {**jwt.get_unverified_header(token), "alg": "HS256"}
        signed = f"{part(header)}.{token.split('.')[1]}"
        signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest()

        forged = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

        assert userinfo(forged) == 403

    def test_a_critical_extension_that_nobody_knows_is_refused(self, userinfo, resigned):
        # CVE-2026-32597: https://github.com/jpadilla/pyjwt/security/advisories/GHSA-752w-5fwx-jx9f
        assert userinfo(resigned({"crit": ["x-limits"], "x-limits": "none"})) == 403

    def test_a_part_of_the_issuer_is_not_the_issuer(self, userinfo, token, resigned):
        # CVE-2024-53861: https://nvd.nist.gov/vuln/detail/CVE-2024-53861
        issuer = jwt.decode(token, options={"verify_signature": False})["iss"]

        assert [userinfo(resigned(iss=part)) for part in (issuer[:-1], issuer[:8], "")] == [403] * 3

    def test_a_key_that_the_token_brings_along_is_not_used(self, userinfo, resigned, key):
        # CVE-2018-0114: https://nvd.nist.gov/vuln/detail/CVE-2018-0114
        own = json.loads(RSAAlgorithm.to_jwk(key.public_key()))

        assert userinfo(resigned({"jwk": own, "kid": "mine"})) == 403

    def test_another_kind_of_token_is_no_access_token(self, userinfo, resigned):
        # RFC 8725, 3.11: https://www.rfc-editor.org/rfc/rfc8725.html#section-3.11
        assert userinfo(resigned({"typ": "JWT"})) == 403

    def test_a_token_ends_with_its_session(self, backend, userinfo):
        # Log-out does not stop an issued token: https://github.com/dcloudio/hello-uni-id-pages-x
        alice = backend.person("alice")
        token = alice.register()
        assert userinfo(token) == 200

        alice.log_out()

        assert userinfo(token) in {401, 403}


class TestSessions:
    def test_an_openid_is_no_credential(self, call, person):
        # An openid is enough: https://github.com/jyqq163/keycloak-services-social-weixin
        alice, mallory = person("alice"), person("mallory")
        alice.register()
        mallory.log_in()

        without, _ = call("look_up_token", openid=alice.openid)
        with_another, body = call("look_up_token", openid=alice.openid, session=mallory.session)

        assert (without, with_another) == (401, 403)
        assert body["error"]["code"] == "session_mismatch"

    def test_data_of_a_user_is_no_session(self, call, person):
        # A phone number served as the token: https://github.com/fushengqian/fuint/issues/67
        alice = person("alice")
        alice.register()
        known = [alice.phone, alice.phone.removeprefix("+86"), alice.openid]
        known += [hashlib.md5(each.encode(), usedforsecurity=False).hexdigest() for each in known]

        answers = [call("show_account", session=each)[0] for each in known]

        assert answers == [401] * len(known)

    def test_no_answer_has_the_session_key(self, person, wechat):
        # https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html
        alice = person("alice")

        data = alice.log_in()

        assert wechat.person("alice").session_key.text not in json.dumps(data)
        assert not {"session_key", "sessionKey"} & set(data)

    def test_the_table_has_neither_a_session_nor_a_number_in_clear(self, person, items):
        # Session stores with the key in clear: https://github.com/JeffreySu/WeiXinMPSDK
        alice = person("alice")
        alice.register()

        stored = json.dumps([[*key, *map(str, item.values())] for key, item in items().items()])

        assert alice.session.rpartition(".")[2] not in stored
        assert alice.phone.removeprefix("+86") not in stored


class TestCodes:
    @pytest.mark.parametrize("more", ["&grant_type=x", "&appid=wx0", "%26appid=wx0", "#", "?a=b"])
    def test_a_code_cannot_add_to_the_question(self, call, person, more):
        # https://github.com/silenceper/wechat/blob/1797041/miniprogram/auth/auth.go: unescaped.
        status, body = call("login", code=person("alice").login_code() + more)

        assert status in {400, 401}
        assert body["error"]["code"] in {"bad_request", "code_rejected"}

    def test_another_users_phone_code_binds_nothing(self, person, wechat):
        # Peers do not send the openid: https://github.com/binarywang/WxJava/issues/4076
        alice, mallory = person("alice"), person("mallory")
        alice.log_in()
        mallory.log_in()

        status, body = mallory.tap(alice.phone_code())

        assert (status, body["error"]["code"]) == (401, "code_rejected")
        assert wechat.asked(PHONE) == 1

    def test_first_logins_at_once_make_one_user(self, call, wechat, items):
        # Find, then add: https://github.com/dcloudio/hello-uni-id-pages-x makes two.
        codes = [wechat.login_code("alice") for _ in range(8)]

        answers = at_once([lambda code=code: call("login", code=code)[0] for code in codes])

        assert answers == [200] * 8
        assert len(stored.profiles(items())) == 1

    def test_a_code_in_the_query_is_not_taken(self, backend, person):
        # AWS samples log in by GET, and the code is in every log: https://github.com/billginger/butler
        code = person("alice").login_code()

        answer = requests.get(f"{backend.url}/login", params={"code": code}, timeout=20)

        assert answer.status_code == 404
        assert code not in answer.text

    def test_a_failure_shows_no_address_and_no_secret(self, call, person, wechat):
        # The request hangs on the exception: https://github.com/wechatpy/wechatpy/blob/5b8502e/wechatpy/client/base.py
        wechat.fault(LOGIN, "drop", 2)

        _, body = call("login", code=person("alice").login_code())

        assert body["error"]["code"] == "wechat_unavailable"
        assert not [each for each in (wechat.app_secret, "http", "js_code") if each in str(body)]


class TestLegacyData:
    @pytest.fixture
    def alice(self, deployed_with):
        alice = deployed_with(LegacyPhone="true").person("alice")
        alice.log_in()
        return alice

    @pytest.fixture
    def send(self, alice, wechat):
        grant = wechat.phone_code("alice")

        def send(**changes):
            legacy = {name: grant[name] for name in ("encryptedData", "iv")}
            fields = {"openid": alice.openid, **legacy, **changes}
            status, body = alice._call("register_phone", session=alice.session, **fields)  # noqa: SLF001 - fields of its own
            return status, body.get("error", {}).get("code")

        return send

    def test_data_that_wechat_encrypted_is_accepted(self, send):
        assert send() == (200, None)

    @pytest.mark.parametrize("size", [0, 1, 15, 17, 32])
    def test_an_iv_of_another_length_is_refused(self, send, size):
        # A short one panics: https://github.com/royalrick/weapp/issues/65
        iv = base64.b64encode(b"i" * size).decode()

        assert send(iv=iv) in {(409, "session_key_stale"), (400, "bad_request")}

    @pytest.mark.parametrize("at", [0, 5, 15])
    def test_a_changed_iv_changes_no_number(self, send, at):
        # CBC without a signature: https://github.com/redengineer/redmini/issues/1544
        iv = bytearray(16)
        iv[at] = 1

        assert send(iv=base64.b64encode(iv).decode()) == (409, "session_key_stale")

    @pytest.mark.parametrize("data", [b"", b"\0" * 16, b"\xff" * 64])
    def test_unreadable_data_is_not_empty_data(self, send, data):
        # Bad padding becomes an empty text: https://github.com/wechatpy/wechatpy/blob/5b8502e/wechatpy/crypto/pkcs7.py
        status, code = send(encryptedData=base64.b64encode(data).decode())

        assert (status, code) in {(409, "session_key_stale"), (400, "bad_request")}


class TestPushes:
    ENTITY = (
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><Encrypt>&e;</Encrypt></xml>'
    )
    BOMB = (
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY a{n} "{"&a;" * 10}">' for n in range(9))
        + "]><xml><Encrypt>&a8;</Encrypt></xml>"
    )

    @pytest.mark.parametrize("body", [ENTITY, BOMB], ids=["file", "bomb"])
    def test_an_entity_of_xml_is_not_read(self, backend, items, person, body):
        # CVE-2018-20318: https://nvd.nist.gov/vuln/detail/CVE-2018-20318
        person("alice").register()
        before = items()

        answer = backend.send("POST", "/wechat/events", body.encode())

        assert (answer.status, items()) == (401, before)
        assert "root:" not in answer.text

    def test_a_push_without_a_signature_erases_nobody(self, backend, items, person):
        # Our own; see docs/decisions/0009-a-push-that-comes-twice.md for copies of a good push.
        alice = person("alice")
        alice.register()
        before = items()
        message = {
            "MsgType": "event",
            "Event": "user_authorization_cancellation",
            "OpenID": alice.openid,
            "CreateTime": int(time.time()) + 5,
        }

        answer = backend.send("POST", "/wechat/events", json.dumps(message).encode())

        assert (answer.status, items()) == (401, before)


class TestQuotas:
    """Our own review: what a stranger, or one user, can use up for all others."""

    def test_rejected_codes_of_one_address_soon_cost_nothing(self, backend, wechat):
        statuses = [backend.call("login", code=f"rejected-{n}")[0] for n in range(105)]
        headers = backend.send(
            "POST", "/login", b'{"code": "rejected"}', [("Content-Type", "application/json")]
        ).headers

        assert statuses == [401] * 100 + [429] * 5
        assert wechat.asked(LOGIN) == 100
        assert 1 <= int(headers["retry-after"]) <= 600

    def test_a_shared_address_with_some_old_codes_still_logs_in(self, backend, person):
        statuses = []
        for n in range(110):
            backend.call("login", code=f"old-{n}")
            statuses.append(backend.call("login", code=person(f"phone {n}").login_code())[0])

        assert statuses == [200] * 110

    def test_one_user_cannot_use_up_the_quota_of_text_checks(self, deployed_with, wechat):
        backend = deployed_with(CheckContent="true")
        alice, bob = backend.person("alice"), backend.person("bob")
        alice.log_in()
        bob.log_in()

        def rename(person, name):
            return backend.call("update_account", session=person.session, nickname=name)[0]

        assert [rename(alice, f"Alice {n}") for n in range(13)] == [200] * 10 + [429] * 3
        assert wechat.asked(CONTENT) == 10
        assert rename(bob, "Bob") == 200

    def test_a_user_who_waits_two_hours_sets_no_unchecked_name(self, deployed_with, wechat):
        # WeChat checks texts of active users only (61010), and a session outlives these hours.
        backend = deployed_with(CheckContent="true")
        alice = backend.person("alice")
        alice.log_in()
        for errcode in (61010, 44991, 45009):
            wechat.fault(CONTENT, "errcode", errcode=errcode)

            status, _ = backend.call("update_account", session=alice.session, nickname="诈骗专家")

            assert status == 429
        account = backend.call("show_account", session=alice.session)[1]["data"]
        assert account["nickname"] is None


class TestOurOwn:
    def test_a_bug_shows_neither_its_text_nor_its_values(self, call, person, backend, capfd):
        # docs/decisions/0007-a-bugs-text-is-not-logged.md
        alice = person("alice")
        alice.log_in()
        key = next(key for key in backend.items() if key[1] == "PROFILE")
        backend.change(key, "SET createdAt = :number REMOVE userId", number=4444333322221111)

        status, body = call("show_account", session=alice.session)

        assert (status, body["error"]["code"]) == (500, "internal")
        assert "4444333322221111" not in str(body) + "".join(capfd.readouterr())

    def test_no_browser_guesses_another_type_of_an_answer(self, backend):
        answers = [
            backend.send("GET", path)
            for path in ("/.well-known/openid-configuration", "/account", "/wechat/events")
        ]

        assert [each.headers["x-content-type-options"] for each in answers] == ["nosniff"] * 3

    def test_an_error_about_a_number_quotes_none(self, backend, caplog):
        # The log's own example of a number looked like a leak.
        with pytest.raises(FunctionError, match="FindUser"):
            backend.deployment.invoke("find_user", {"phone": "13812345678"})

        assert "138" not in caplog.text
