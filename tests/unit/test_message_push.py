"""WeChat's message push: the official vectors, and rejected pushes."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulated_wechat.message_push import encrypt, signature
from wechat_login.errors import PushRejected
from wechat_login.storage.table import Table
from wechat_login.wechat.message_push import MessagePush, fields

# https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push
APPID = "wxba5fad812f8e6fb9"
TOKEN = "AAAAA"
AES_KEY = "A" * 43
SENT_AT = 1714112445
NONCE = "415670741"
MSG_SIGNATURE = "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3"
ENCRYPTED = (
    "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJG"
    "QqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrf"
    "MZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgR"
    "tWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
)
MESSAGE = {
    "ToUserName": "gh_97417a04a28d",
    "FromUserName": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY",
    "CreateTime": "1714112445",
    "MsgType": "event",
    "Event": "debug_demo",
    "debug_str": "hello world",
}
QUERY = {
    "signature": "6c5c811b55cc85e0e1b54100749188c20beb3f5d",
    "timestamp": str(SENT_AT),
    "nonce": NONCE,
    "openid": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY",
    "encrypt_type": "aes",
    "msg_signature": MSG_SIGNATURE,
}
BODY = json.dumps({"ToUserName": "gh_97417a04a28d", "Encrypt": ENCRYPTED}).encode()


class Nothing:
    """A table in which there is nothing yet."""

    def get(self, key):
        assert key[0].startswith("PUSH#")


def push(now=SENT_AT, table: Any = None, **how):
    nothing: Any = Nothing()
    secrets = {"token": TOKEN, "aes_key": AES_KEY, **how}
    return MessagePush(
        table or nothing,
        is_ours=lambda appid: appid == APPID,
        token=lambda: secrets["token"],
        aes_key=lambda: secrets["aes_key"],
        now=lambda: now,
    )


def sent(message, *, appid=APPID, sent_at=SENT_AT, nonce="1", body=None, aes_key=AES_KEY):
    """A query and a body as WeChat would make them."""
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    encrypted = encrypt(text, aes_key, appid)
    made = signature(TOKEN, str(sent_at), nonce, encrypted)
    query = {"timestamp": str(sent_at), "nonce": nonce, "msg_signature": made}
    return query, body or json.dumps({"Encrypt": encrypted}).encode()


def test_the_official_url_check_is_echoed():
    query = {
        "signature": "f464b24fc39322e44b38aa78f5edd27bd1441696",
        "timestamp": "1714036504",
        "nonce": "1514711492",
        "echostr": "4375120948345356249",
    }

    assert push(now=1714036504).echo(query) == "4375120948345356249"


def test_the_official_secure_push_opens():
    assert push().open(QUERY, BODY) == {"AppID": APPID, **MESSAGE}


def test_the_signature_that_is_not_to_be_used_is_not():
    assert push().open({**QUERY, "signature": "nonsense"}, BODY) == {"AppID": APPID, **MESSAGE}
    with pytest.raises(PushRejected):
        push().open({**QUERY, "msg_signature": QUERY["signature"]}, BODY)


def test_the_official_plain_push_is_refused():
    body = json.dumps({**MESSAGE, "CreateTime": 1714037059}).encode()
    query = {
        "signature": "899cf89e464efb63f54ddac96b0a0a235f53aa78",
        "timestamp": "1714037059",
        "nonce": "486452656",
    }

    for more in ({}, {"msg_signature": query["signature"]}):
        with pytest.raises(PushRejected):
            push(now=1714037059).open({**query, **more}, body)


@pytest.mark.parametrize(
    ("late", "opens"), [(300, True), (301, False), (-300, True), (-301, False)]
)
def test_a_push_opens_within_five_minutes_either_way(late, opens):
    if opens:
        assert push(now=SENT_AT + late).open(QUERY, BODY) == {"AppID": APPID, **MESSAGE}
        return
    with pytest.raises(PushRejected) as refused:
        push(now=SENT_AT + late).open(QUERY, BODY)
    assert refused.value.facts == {"why": "timestamp"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"msg_signature": "0" * 40}, "signature", id="signature"),
        pytest.param({"msg_signature": ""}, "signature", id="no signature"),
        pytest.param({"msg_signature": MSG_SIGNATURE.upper()}, "signature", id="upper case"),
        pytest.param({"msg_signature": "é"}, "signature", id="not ASCII"),
        pytest.param({"nonce": "1"}, "signature", id="nonce"),
        pytest.param({"timestamp": "1714112446"}, "signature", id="timestamp"),
        pytest.param({"timestamp": ""}, "timestamp", id="no timestamp"),
        pytest.param({"timestamp": "²"}, "timestamp", id="a digit that is no number"),
        pytest.param({"timestamp": "\uff11714112445"}, "timestamp", id="wide digits"),
        pytest.param({"timestamp": "1" * 5000}, "timestamp", id="endless timestamp"),
    ],
)
def test_any_change_of_the_query_is_rejected(changes, why):
    with pytest.raises(PushRejected) as refused:
        push().open({**QUERY, **changes}, BODY)

    assert refused.value.facts == {"why": why}


@pytest.mark.parametrize("missing", ["msg_signature", "timestamp", "nonce"])
def test_any_missing_part_of_the_query_is_rejected(missing):
    query = {name: value for name, value in QUERY.items() if name != missing}

    with pytest.raises(PushRejected):
        push().open(query, BODY)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        pytest.param(sent({}, appid="wx" + "f" * 16), "appid", id="another appid"),
        pytest.param(sent({}, appid=APPID + "0"), "appid", id="a longer appid"),
        pytest.param(sent({}, appid=""), "appid", id="no appid"),
        pytest.param(sent(b"\xff" * 20), "encryption", id="no UTF-8"),
        pytest.param(sent(b'{"Event": "a", "Event": "b"}'), "a name twice", id="two events"),
        pytest.param(sent({}, appid="é"), "appid", id="an appid that is no ASCII"),
    ],
)
def test_a_well_signed_message_that_is_not_for_us_is_refused(made, why):
    with pytest.raises(PushRejected) as refused:
        push().open(*made)

    assert refused.value.facts == {"why": why}


@pytest.mark.parametrize("encrypted", ["", "AAAA", "%%%", "A" * 64, ENCRYPTED[:-4], ENCRYPTED[4:]])
def test_a_signed_push_that_does_not_decrypt_is_rejected(encrypted):
    made = signature(TOKEN, str(SENT_AT), NONCE, encrypted)

    with pytest.raises(PushRejected):
        push().open({**QUERY, "msg_signature": made}, json.dumps({"Encrypt": encrypted}).encode())


def test_another_aes_key_opens_nothing():
    with pytest.raises(PushRejected):
        push().open(*sent(MESSAGE, aes_key="B" * 43))


def test_a_message_in_xml_opens_as_well():
    xml = (
        "<xml><ToUserName><![CDATA[gh_870882ca4b1]]></ToUserName>\n"
        "<MsgType>event</MsgType>"
        "<CreateTime>1714112445</CreateTime><Event><![CDATA[a<b]]></Event></xml>"
    )
    encrypted = encrypt(xml.encode(), AES_KEY, APPID)
    made = signature(TOKEN, str(SENT_AT), NONCE, encrypted)
    body = f"<xml><ToUserName>gh</ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"

    opened = push().open({**QUERY, "msg_signature": made}, body.encode())

    assert opened == {
        "AppID": APPID,
        "ToUserName": "gh_870882ca4b1",
        "MsgType": "event",
        "CreateTime": "1714112445",
        "Event": "a<b",
    }


CANCELLATION = "<Event>user_authorization_cancellation</Event><OpenID>o-victim</OpenID>"
# A user may write this text into a message, and WeChat might put it into the XML unescaped.
WRITTEN = [
    f"]]></Content>{CANCELLATION}<Content><![CDATA[",
    f"]]></Content>{CANCELLATION}<MsgType>event</MsgType><Content><![CDATA[",
    f"]]></Content>{CANCELLATION}<MsgType>event</MsgType><X><![CDATA[",
    f"]]></Content>{CANCELLATION}<MsgType>event</MsgType><!-- ",
    f"]]></Content>{CANCELLATION}<MsgType>event</MsgType></xml>",
    f"]]></Content></xml><xml>{CANCELLATION}<MsgType>event</MsgType><Content><![CDATA[",
    f"]]>{CANCELLATION}<MsgType>event</MsgType><![CDATA[",
    CANCELLATION,
    f"</Content>{CANCELLATION}",
]
HEADS = [
    pytest.param("<MsgType><![CDATA[text]]></MsgType><Content>", id="as documented"),
    pytest.param('<MsgType><![CDATA[text]]></MsgType><Content type="a">', id="attribute"),
    pytest.param("<Msg-Type><![CDATA[text]]></Msg-Type><Content>", id="dash"),
    pytest.param("<MsgType>text</MsgType><Content> ", id="blank before CDATA"),
    pytest.param("<Content>", id="no MsgType"),
]


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("head", HEADS)
def test_no_text_that_a_user_writes_becomes_an_event(head, written):
    xml = f"<xml><ToUserName>gh</ToUserName>{head}<![CDATA[{written}]]></Content></xml>"

    try:
        opened = push().open(*sent(xml.encode()))
    except PushRejected:
        return

    assert opened == {}


@pytest.mark.parametrize("kind", ["text", "image", "EVENT", "", None])
def test_only_an_event_has_fields(kind):
    message = {**MESSAGE, "MsgType": kind}
    if kind is None:
        del message["MsgType"]

    assert push().open(*sent(message)) == {}


@pytest.mark.parametrize(
    ("missing", "why"), [("token", "no event-token"), ("aes_key", "no event-aes-key")]
)
def test_without_the_consoles_secrets_every_push_is_refused(missing, why):
    with pytest.raises(PushRejected) as refused:
        push(**{missing: None}).open(QUERY, BODY)

    assert refused.value.facts == {"why": why}


def test_without_a_token_no_address_is_confirmed():
    query = {"timestamp": str(SENT_AT), "nonce": "1", "echostr": "1", "signature": "0" * 40}

    with pytest.raises(PushRejected):
        push(token=None).echo(query)


@pytest.mark.parametrize("aes_key", ["", "A", "A" * 42, "A" * 20, "é" * 43])
def test_an_aes_key_that_is_none_opens_nothing(aes_key):
    with pytest.raises(PushRejected):
        push(aes_key=aes_key).open(QUERY, BODY)


LARGEST = 16 * 1024


@pytest.mark.parametrize(
    "part",
    [
        "<a>",
        "<a><![CDATA[",
        "<a><![CDATA[]]",
        "<a>x</b>",
        "<a></a>",
        " ",
        "a",
        "<",
        "{",
        '{"a":',
        "[",
    ],
)
@pytest.mark.parametrize("begin", ["", "<xml>", "<xml><a><![CDATA[", "<xml><a>"])
def test_reading_the_largest_body_takes_no_time(begin, part):
    body = (begin + part * LARGEST)[:LARGEST].encode()
    query = {**QUERY, "msg_signature": "0" * 40}

    took = []
    for _ in range(3):
        began = time.perf_counter()
        with pytest.raises(PushRejected):
            push().open(query, body)
        took.append(time.perf_counter() - began)

    assert min(took) < 0.02


class Unread(bytes):
    def decode(self, *_, **__):
        pytest.fail("the body was read")


@pytest.mark.parametrize(
    "changes", [{"msg_signature": "0" * 39}, {"msg_signature": "G" * 40}, {"timestamp": "1"}]
)
def test_a_body_is_not_read_if_the_query_has_not_the_form_of_a_push(changes):
    with pytest.raises(PushRejected):
        push().open({**QUERY, **changes}, Unread(BODY))


def test_a_push_that_was_acted_upon_does_not_open_again(dynamodb, table_name):
    table = Table(dynamodb, table_name, time_left=lambda: 10)
    first = push(table=table)
    first.open(QUERY, BODY)
    opens_until_done = first.open(QUERY, BODY)
    first.done(QUERY)

    with pytest.raises(PushRejected) as refused:
        push(table=table).open(QUERY, BODY)

    assert opens_until_done == {"AppID": APPID, **MESSAGE}
    assert refused.value.facts == {"why": "replay"}
    kept = table.get((f"PUSH#{MSG_SIGNATURE}", "SEEN"))
    assert kept["expiresAt"] > SENT_AT + 300


@pytest.mark.parametrize("echostr", ["", "a b", "<b>", "x" * 65, "é", "a\nb"])
def test_a_request_that_no_console_sends_is_not_echoed(echostr):
    query = {"timestamp": "1714036504", "nonce": "1", "echostr": echostr}
    query["signature"] = signature(TOKEN, query["timestamp"], query["nonce"])

    with pytest.raises(PushRejected):
        push(now=1714036504).echo(query)


@pytest.mark.parametrize(
    ("message", "read"),
    [
        pytest.param('{"a": 1, "b": " x "}', {"a": "1", "b": "x"}, id="JSON"),
        pytest.param("<xml><a>1</a><b><![CDATA[ x ]]></b></xml>", {"a": "1", "b": "x"}, id="XML"),
        pytest.param("<xml><a><![CDATA[1</a>2]]></a></xml>", {"a": "1</a>2"}, id="CDATA"),
        pytest.param("<xml></xml>", {}, id="empty XML"),
        pytest.param("<xml>\n <a>1</a>\n <b></b>\n</xml>", {"a": "1", "b": ""}, id="blanks"),
        pytest.param("<xml><a><![CDATA[1]]>2]]></a></xml>", {}, id="text behind CDATA"),
        pytest.param("<xml><a><![CDATA[]]></a></xml>", {"a": ""}, id="empty CDATA"),
        pytest.param("<xml><a>1</a>", {}, id="half of XML"),
        pytest.param("<xml>", {}, id="only a beginning"),
        pytest.param("<a>1</a>", {}, id="no root"),
        pytest.param("<xml><a>1</a>2</xml>", {}, id="text between fields"),
        pytest.param("<xml><a><b>1</b></a></xml>", {}, id="nested"),
        pytest.param('<xml><a x="1">1</a></xml>', {}, id="attribute"),
        pytest.param("<xml><a>1</b></xml>", {}, id="another end"),
        pytest.param("", {}, id="nothing"),
        pytest.param("[1]", {}, id="a list"),
        pytest.param("null", {}, id="null"),
        pytest.param("[" * 100_000, {}, id="deep"),
        pytest.param("{", {}, id="broken"),
        pytest.param("<xml><a>&lt;</a></xml>", {"a": "&lt;"}, id="an entity stays as it is"),
    ],
)
def test_fields_are_read_as_text(message, read):
    assert fields(message) == read


@pytest.mark.parametrize(
    "message",
    ['{"a": 1, "a": 1}', '{"a": {"b": 1, "b": 2}}', "<xml><a>1</a><b>2</b><a>1</a></xml>"],
)
def test_a_name_that_comes_twice_is_refused(message):
    with pytest.raises(PushRejected):
        fields(message)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(
    st.dictionaries(st.text(max_size=10), st.text(max_size=60), max_size=6), st.binary(max_size=300)
)
def test_no_request_at_all_makes_it_fail_otherwise(query, body):
    with pytest.raises(PushRejected):
        push().open(query, body)


@settings(max_examples=1000, derandomize=True, deadline=None, database=None)
@given(st.integers(0, len(ENCRYPTED) - 1), st.sampled_from("ABCDEFabcdef0123456789+/=% "))
def test_no_letter_of_a_push_can_be_changed(at, letter):
    changed = ENCRYPTED[:at] + letter + ENCRYPTED[at + 1 :]
    body = json.dumps({"Encrypt": changed}).encode()

    if changed == ENCRYPTED:
        assert push().open(QUERY, body) == {"AppID": APPID, **MESSAGE}
        return
    with pytest.raises(PushRejected):
        push().open(QUERY, body)
