"""encryptedData: WeChat's own vectors, and one answer to everything that is not exactly right."""

import base64
import hashlib
import json
import random

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.world import a_user
from wechat_login.accounts.legacy_phone import LegacyPhone, decrypt
from wechat_login.errors import BadRequest, SessionKeyStale, WeChatUnavailable
from wechat_login.storage.sealing import Keyring, new_keyring

NOW = 1_800_000_000
APPID = "wx4f4bc4dec97d474b"
# The official sample: reference 12.1, and WXBizDataCrypt of the page
# https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature
SESSION_KEY = "tiihtNczf5v6AKRyjwEUhQ=="
OFFICIAL_IV = "r7BXXKkLb8qrSNn05n0qiA=="
OFFICIAL = (
    "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC"
    "+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poO"
    "FtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8"
    "xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB"
    "6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJd"
    "NiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOy"
    "uxINew=="
)
IV = base64.b64encode(bytes(range(16))).decode()
KEYRING = Keyring.from_json(new_keyring())


def encrypted(plaintext, *, key=SESSION_KEY, iv=IV, padded=True):
    text = pad(plaintext, 16) if padded else plaintext
    cipher = AES.new(base64.b64decode(key), AES.MODE_CBC, base64.b64decode(iv))
    return base64.b64encode(cipher.encrypt(text)).decode()


def info(**changes):
    """WeChat's plaintext, with the fields in the order of WeChat's sample."""
    return {
        "phoneNumber": "13580006666",
        "purePhoneNumber": "13580006666",
        "countryCode": "86",
        "watermark": {"appid": APPID, "timestamp": NOW - 30},
        **changes,
    }


def compact(fields):
    return json.dumps(fields, separators=(",", ":")).encode()


def user_with(session_key, openid="o-alice"):
    legacy = LegacyPhone(lambda: KEYRING, lambda *_: True)
    sealed = legacy.seal_session_key(openid, session_key) if session_key else None
    return a_user(openid, APPID, **({"sessionKey": sealed} if sealed else {}))


ALICE = user_with(SESSION_KEY)


def number_in(encrypted_data, iv=IV, user=ALICE, made_by_wechat=lambda _: True):
    legacy = LegacyPhone(
        lambda: KEYRING, lambda _appid, data: made_by_wechat(data), lambda: float(NOW)
    )
    return legacy.number(user, encrypted_data, iv)


def test_the_official_vector_opens():
    data = decrypt(OFFICIAL, OFFICIAL_IV, SESSION_KEY)

    assert data["openId"] == "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
    assert data["watermark"] == {"timestamp": 1477314187, "appid": APPID}
    digest = hashlib.sha256(json.dumps(data, separators=(",", ":")).encode()).hexdigest()
    assert digest == "3237d8a5dbd413523c194882c7156544d8a06e2afcc97383cc300c17bd09391b"


def test_with_another_key_the_official_vector_fails_at_its_padding():
    # The last byte becomes 26, which WeChat's own sample would cut off without a look.
    with pytest.raises(ValueError, match="padding"):
        decrypt(OFFICIAL, OFFICIAL_IV, "HyVFkGl5F5OQWJZZaNzBBg==")


def test_the_iv_rewrites_the_first_block_so_that_opening_proves_nothing():
    data = decrypt(OFFICIAL, "r7BXXKkLb8qrSNna9XM8ig==", SESSION_KEY)

    assert data["openId"] == "ATTCK0egBJY1zhBYw2KhdUfwVJJE"


def test_the_official_vector_is_no_phone_number():
    with pytest.raises(SessionKeyStale):
        number_in(OFFICIAL, OFFICIAL_IV)


@pytest.mark.parametrize(
    ("fields", "e164"),
    [
        pytest.param({}, "+8613580006666", id="as in WeChat's sample"),
        pytest.param({"countryCode": 86}, "+8613580006666", id="the code a number"),
        pytest.param({"newField": [1]}, "+8613580006666", id="fields may be added"),
        pytest.param(
            {"phoneNumber": "+85251234567", "purePhoneNumber": "51234567", "countryCode": "852"},
            "+85251234567",
            id="foreign, with a plus",
        ),
        pytest.param(
            {"phoneNumber": "85251234567", "purePhoneNumber": "51234567", "countryCode": "852"},
            "+85251234567",
            id="foreign, without one",
        ),
    ],
)
def test_wechats_data_gives_the_number(fields, e164):
    assert number_in(encrypted(compact(info(**fields)))).e164 == e164


def test_blanks_stand_for_plus():
    ivs = (base64.b64encode(bytes([n, 0xFB] * 8)).decode() for n in range(256))
    found = next(
        (data, iv) for iv in ivs if "+" in iv and "+" in (data := encrypted(compact(info()), iv=iv))
    )

    number = number_in(*(text.replace("+", " ") for text in found))

    assert number.national == "13580006666"


@pytest.mark.parametrize(
    "plaintext",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"13580006666", id="a number alone"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b"[" * 4000, id="deep"),
        pytest.param(b"{" + compact(info()), id="broken"),
        pytest.param(compact(info())[:-1] + b',"countryCode":"1"}', id="a name twice"),
        pytest.param(compact(info(phoneNumber="13900000000")), id="phoneNumber contradicts"),
        pytest.param(compact(info(phoneNumber=None)), id="phoneNumber null"),
        pytest.param(compact(info(purePhoneNumber="")), id="no national number"),
        pytest.param(compact(info(purePhoneNumber="135-8000-6666")), id="dashes"),
        pytest.param(compact(info(countryCode="")), id="no country"),
        pytest.param(compact(info(countryCode="0086")), id="zeros"),
        pytest.param(compact(info(watermark=None)), id="no watermark"),
        pytest.param(compact(info(watermark="wx")), id="watermark a text"),
        pytest.param(compact(info(watermark=[])), id="watermark a list"),
        pytest.param(compact(info(watermark={"appid": APPID})), id="no time"),
        pytest.param(compact(info(watermark={"timestamp": NOW})), id="no appid"),
        pytest.param(compact(info(watermark={"appid": "wx", "timestamp": NOW})), id="other appid"),
        pytest.param(compact(info(watermark={"appid": APPID, "timestamp": "now"})), id="words"),
        pytest.param(compact(info(watermark={"appid": APPID, "timestamp": None})), id="null time"),
        pytest.param(compact(info(watermark={"appid": APPID, "timestamp": 10**400})), id="huge"),
        pytest.param(
            compact(info(watermark={"appid": APPID, "timestamp": float("inf")})), id="infinite"
        ),
        pytest.param(
            compact(info(watermark={"appid": APPID, "timestamp": float("nan")})), id="no number"
        ),
        pytest.param(
            compact(info(watermark={"appid": APPID, "timestamp": NOW - 601})), id="too old"
        ),
        pytest.param(
            compact(info(watermark={"appid": APPID, "timestamp": NOW + 61})), id="of the future"
        ),
    ],
)
def test_data_not_from_wechat_is_stale_though_it_decrypts(plaintext):
    with pytest.raises(SessionKeyStale):
        number_in(encrypted(plaintext))


def test_without_phone_number_the_first_block_may_have_been_rewritten():
    fields = info()
    del fields["phoneNumber"]

    with pytest.raises(SessionKeyStale):
        number_in(encrypted(compact(fields)))


@pytest.mark.parametrize("padding", [0, 17, 255])
def test_a_padding_that_cannot_be_is_refused(padding):
    text = compact(info())
    whole = text + bytes([padding]) * (16 - len(text) % 16)

    with pytest.raises(SessionKeyStale):
        number_in(encrypted(whole, padded=False))


def test_the_whole_padding_is_looked_at():
    whole = pad(compact(info()) + b" " * 4, 16)
    count = whole[-1]
    assume_enough = count >= 2
    spoilt = whole[:-count] + bytes([count ^ 1]) + whole[len(whole) - count + 1 :]

    assert assume_enough
    with pytest.raises(SessionKeyStale):
        number_in(encrypted(spoilt, padded=False))


@pytest.mark.parametrize(
    "user",
    [
        pytest.param(user_with(None), id="no session_key kept"),
        pytest.param(user_with("HyVFkGl5F5OQWJZZaNzBBg=="), id="another session_key"),
        pytest.param(user_with("AAAA"), id="a short session_key"),
        pytest.param(a_user("o-alice", APPID, sessionKey="k1.AAAA"), id="broken"),
        pytest.param(
            a_user("o-bob", APPID, sessionKey=ALICE.sealed_session_key),
            id="sealed for somebody else",
        ),
    ],
)
def test_without_the_users_own_session_key_nothing_opens(user):
    with pytest.raises(SessionKeyStale):
        number_in(encrypted(compact(info())), user=user)


def test_data_that_wechat_has_not_made_is_stale_though_otherwise_valid():
    with pytest.raises(SessionKeyStale):
        number_in(encrypted(compact(info())), made_by_wechat=lambda _: False)


@pytest.mark.parametrize("data", [encrypted(compact(info())), "AAAA", "%%%", ""])
def test_wechat_is_asked_whether_or_not_it_opens(data):
    def unavailable(_):
        raise WeChatUnavailable

    with pytest.raises(WeChatUnavailable):
        number_in(data, made_by_wechat=unavailable)


def test_a_session_key_is_sealed_for_one_user():
    assert SESSION_KEY not in ALICE.sealed_session_key
    assert KEYRING.open(ALICE.sealed_session_key, context="session_key o-alice") == SESSION_KEY


RIGHT = encrypted(compact(info()))
RAW, RAW_IV = base64.b64decode(RIGHT), base64.b64decode(IV)


def changed_somewhere(raw, chance):
    """Return other bytes: some flipped, cut, put in between or swapped, or random ones."""
    at, more = chance.randrange(len(raw)), chance.randbytes(chance.randrange(48))
    block = at // 16 * 16
    blocks = [raw[start : start + 16] for start in range(0, len(raw), 16)]
    flips = [(chance.randrange(len(raw)), chance.randint(1, 255)) for _ in range(at % 4 + 1)]
    return chance.choice(
        [
            flipped(raw, flips),
            raw[:at],
            raw[:block] + more + raw[block:],
            b"".join(chance.sample(blocks, len(blocks))),
            chance.randbytes(chance.randrange(len(raw) + 32)),
        ]
    )


def flipped(raw, flips):
    whole = bytearray(raw)
    for at, by in flips:
        whole[at] ^= by
    return bytes(whole)


def test_ten_thousand_changed_messages_give_the_one_error_and_never_a_number():
    chance = random.Random(2026)  # noqa: S311 - the same messages each time
    tried = 0
    while tried < 10_000:
        raw = changed_somewhere(RAW, chance) if chance.random() < 0.7 else RAW
        iv = changed_somewhere(RAW_IV, chance) if chance.random() < 0.6 else RAW_IV
        if (raw, iv) == (RAW, RAW_IV):
            continue
        encrypted, initial = (base64.b64encode(each).decode() for each in (raw, iv))

        with pytest.raises(SessionKeyStale) as failure:
            number_in(encrypted, initial, made_by_wechat=lambda text: text == RIGHT)

        assert failure.value.facts == {}
        assert failure.value.__cause__ is None
        tried += 1


@settings(max_examples=500, derandomize=True, deadline=None, database=None)
@given(st.text(max_size=200), st.text(max_size=40))
def test_any_invalid_text_gives_the_same_error(encrypted_data, iv):
    with pytest.raises(SessionKeyStale):
        number_in(encrypted_data, iv)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(st.recursive(st.none() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=3))
def test_any_other_value_of_a_field_gives_the_same_error(value):
    for name in ("phoneNumber", "purePhoneNumber", "watermark"):
        with pytest.raises(SessionKeyStale):
            number_in(encrypted(compact(info(**{name: value}))))


def test_bad_requests_of_the_number_do_not_shine_through():
    with pytest.raises(SessionKeyStale) as failure:
        number_in(encrypted(compact(info(purePhoneNumber="1"))))

    assert not isinstance(failure.value, BadRequest)
