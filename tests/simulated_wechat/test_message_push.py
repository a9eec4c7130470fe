"""The message push, signed and encrypted as in safe mode."""

import base64
import json
import re
import struct
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

from simulated_wechat import message_push, serve

EVENT_TOKEN = "AAAAA"
EVENT_AES_KEY = "A" * 43


class PushReceiver(BaseHTTPRequestHandler):
    """An API that records pushes and answers success."""

    server: Any

    def do_GET(self):
        self.server.received.append((self.path, b""))
        self.reply(re.search(r"echostr=(\d+)", self.path)[1].encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, body))
        self.reply(b"success")

    def reply(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def api():
    receiver: Any = HTTPServer(("127.0.0.1", 0), PushReceiver)
    receiver.received = []
    thread = threading.Thread(target=receiver.serve_forever, args=(0.05,))
    thread.start()
    yield receiver
    receiver.shutdown()
    thread.join()
    receiver.server_close()


@pytest.fixture
def pushing(api, wechat):
    running = serve(
        wechat,
        api_url=f"http://127.0.0.1:{api.server_port}",
        event_token=EVENT_TOKEN,
        event_aes_key=EVENT_AES_KEY,
    )
    yield running
    running.stop()


def opened_push(encrypted):
    key = base64.b64decode(EVENT_AES_KEY + "=")
    plaintext = unpad(AES.new(key, AES.MODE_CBC, key[:16]).decrypt(base64.b64decode(encrypted)), 32)
    (length,) = struct.unpack(">I", plaintext[16:20])
    return plaintext[20 : 20 + length].decode(), plaintext[20 + length :].decode()


def parsed_query(path):
    return dict(parse_qsl(urlsplit(path).query))


def send(server, **body):
    return requests.post(server.url + "/simulated/events", json=body, timeout=5)


def test_a_push_is_signed_and_encrypted_as_in_safe_mode(pushing, api, wechat):
    answer = send(pushing, user="alice", event="user_authorization_revoke")

    ((path, body),) = api.received
    query, envelope = parsed_query(path), json.loads(body)
    text, appid = opened_push(envelope["Encrypt"])
    message = json.loads(text)
    signed = (EVENT_TOKEN, query["timestamp"], query["nonce"])
    assert answer.json() == {"status": 200, "body": "success"}
    assert path.startswith("/wechat/events?")
    assert query["openid"] == wechat.openid("alice")
    assert query["encrypt_type"] == "aes"
    assert query["signature"] == message_push.signature(*signed)
    assert query["msg_signature"] == message_push.signature(*signed, envelope["Encrypt"])
    assert set(envelope) == {"ToUserName", "Encrypt"}
    assert appid == message["AppID"] == wechat.appid
    assert message["OpenID"] == wechat.openid("alice")
    assert message["MsgType"] == "event"
    assert message["RevokeInfo"] == "8"


def test_a_push_can_be_xml(pushing, api):
    send(pushing, user="alice", event="user_info_modified", format="xml", RevokeInfo="19")

    ((_, body),) = api.received
    encrypted = re.search(rb"<Encrypt><!\[CDATA\[(.+)\]\]></Encrypt>", body)[1].decode()
    text, _ = opened_push(encrypted)
    assert "<Event><![CDATA[user_info_modified]]></Event>" in text
    assert "<RevokeInfo><![CDATA[19]]></RevokeInfo>" in text
    assert re.search(r"<CreateTime>\d+</CreateTime>", text)


def test_text_cannot_break_out_of_the_xml():
    text = message_push.as_text({"Event": "]]><OpenID>x</OpenID>"}, as_xml=True)

    assert text == "<xml><Event>]]&gt;&lt;OpenID&gt;x&lt;/OpenID&gt;</Event></xml>"


def pushed(api):
    """Return the fields of the only push, and the AppID it was encrypted with."""
    ((_, body),) = api.received
    text, appid = opened_push(json.loads(body)["Encrypt"])
    return json.loads(text), appid


def test_any_event_and_any_field_can_be_sent(pushing, api):
    send(pushing, user="alice", event="subscribe", AppID="wxother", level=2)

    message, _ = pushed(api)
    assert message["Event"] == "subscribe"
    assert message["AppID"] == "wxother"
    assert message["level"] == 2
    assert "RevokeInfo" not in message


def test_an_event_of_the_second_mini_program_has_its_appid_and_its_openid(pushing, api, wechat):
    send(pushing, user="alice", event="user_info_modified", appid="wxfedcba0987654321")

    message, appid = pushed(api)
    assert appid == message["AppID"] == "wxfedcba0987654321"
    assert message["OpenID"] == wechat.openid("alice", "wxfedcba0987654321")


ENVELOPE = {"ToUserName", "FromUserName", "CreateTime", "MsgType", "Event"}


def test_the_quota_event_has_the_use_of_a_pack(pushing, api, wechat):
    wechat.phone_balance = 50

    send(pushing, event="charge_mp_service_quota_notify")

    message, appid = pushed(api)
    assert appid == wechat.appid
    assert {name: each for name, each in message.items() if name not in ENVELOPE} == {
        "event_type": 3,
        "appid": wechat.appid,
        "spu_id": 10000077,
        "spu_name": "手机号快速验证组件",
        "total_quota": 1000,
        "total_used_quota": 950,
    }


def test_the_validity_event_has_the_end_of_the_other_buttons_pack(pushing, api, wechat):
    wechat.mini_program().phone_packs_end = 1_800_000_000

    send(pushing, event="charge_mp_service_validity_notify", spu_id=10000086)

    message, _ = pushed(api)
    assert {name: each for name, each in message.items() if name not in ENVELOPE} == {
        "event_type": 4,
        "appid": wechat.appid,
        "spu_id": 10000086,
        "spu_name": "手机号实时验证组件",
        "validity_end_time": "2027-01-15 16:00:00",
    }


def test_the_punishment_event_has_the_fields_of_wechats_page(pushing, api):
    send(pushing, event="wxa_punish_event", illegal_reason="违规")

    message, _ = pushed(api)
    assert message.keys() - ENVELOPE == {
        "punish_id",
        "appid",
        "punish_time",
        "illegal_reason",
        "illegal_content",
        "detail",
        "rule_url",
        "rule_name",
        "adjust_guide_url",
        "event_type",
    }
    assert message["illegal_reason"] == "违规"
    assert isinstance(message["illegal_content"], list)
    assert json.loads(message["detail"])["warned_ban_days"] == [3]


def test_a_list_becomes_an_element_for_each_value_in_xml():
    text = message_push.as_text({"illegal_content": ["a", "b"], "event_type": 1}, as_xml=True)

    content = "<illegal_content><![CDATA[{}]]></illegal_content>"
    assert text == (
        f"<xml>{content.format('a')}{content.format('b')}<event_type>1</event_type></xml>"
    )


def test_the_address_is_checked_by_an_echo(pushing, api):
    answer = requests.post(pushing.url + "/simulated/events/check-url", json={}, timeout=5)

    query = parsed_query(api.received[0][0])
    signed = (EVENT_TOKEN, query["timestamp"], query["nonce"])
    assert answer.json()["echoed"] is True
    assert query["signature"] == message_push.signature(*signed)


@pytest.mark.parametrize(
    "further",
    [
        pytest.param({"format": "yaml"}, id="unknown format"),
        pytest.param({"level": [1]}, id="a list"),
        pytest.param({"a><b": "x"}, id="no name"),
    ],
)
def test_an_unwritable_answer_is_rejected(pushing, further):
    assert send(pushing, user="alice", event="e", **further).status_code == 400


def test_an_unreachable_api_is_reported(pushing, api):
    api.shutdown()
    api.server_close()

    answer = send(pushing, user="alice", event="user_info_modified")

    assert answer.status_code == 502
    assert answer.json() == {"error": "The API did not answer the push."}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(
            ("1714036504", "1514711492"),
            "f464b24fc39322e44b38aa78f5edd27bd1441696",
            id="URL check",
        ),
        pytest.param(
            ("1714037059", "486452656"),
            "899cf89e464efb63f54ddac96b0a0a235f53aa78",
            id="plain push",
        ),
        pytest.param(
            ("1714112445", "415670741"),
            "6c5c811b55cc85e0e1b54100749188c20beb3f5d",
            id="secure push, the signature that is not to be used",
        ),
    ],
)
def test_it_signs_the_official_samples(parts, expected):
    assert message_push.signature(EVENT_TOKEN, *parts) == expected


def test_it_encrypts_and_signs_the_official_secure_push():
    message = (
        b'{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY",'
        b'"CreateTime":1714112445,"MsgType":"event","Event":"debug_demo",'
        b'"debug_str":"hello world"}'
    )

    encrypted = message_push.encrypt(
        message, EVENT_AES_KEY, "wxba5fad812f8e6fb9", b"a8eedb185eb2fecf"
    )

    signed = (EVENT_TOKEN, "1714112445", "415670741", encrypted)
    assert encrypted == (
        "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus"
        "8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj"
        "+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7m"
        "StwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
    )
    assert message_push.signature(*signed) == "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3"


def test_it_encrypts_the_official_answer():
    encrypted = message_push.encrypt(
        b'{"demo_resp":"good luck"}', EVENT_AES_KEY, "wxba5fad812f8e6fb9", b"707722b803182950"
    )

    assert encrypted == (
        "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
    )
    signed = (EVENT_TOKEN, "1713424427", "415670741", encrypted)
    assert message_push.signature(*signed) == "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1"
