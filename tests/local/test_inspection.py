"""The demo may read the local run and expire its sessions, and sees no secret."""

import json
from typing import Any

import pytest

from local.functions import Functions
from local.http_server import Request, Response
from local.inspection import Inspected, expire_sessions, masked_items
from stack.template import read_stack

USER = "USER#wx1234567890abcdef#oalice"
SID = "c2hhMjU2IG9mIGEgc2VjcmV0"
INDEX = "9f86d081884c7d659a2feaa0c55ad015"


@pytest.fixture
def table(dynamodb, table_name):
    """A user with a phone, a session and an unknown attribute."""
    items = [
        {
            "pk": {"S": USER},
            "sk": {"S": "PROFILE"},
            "createdAt": {"N": "1790000000"},
            "phone": {"S": "k1.sealed-phone-number"},
            "phoneIndex": {"S": INDEX},
            "novel": {"S": "something secret"},
            "sessions": {"M": {SID: {"M": {"usedAt": {"N": str(2**33)}}}}},
        },
        {
            "pk": {"S": f"PHONE#wx1234567890abcdef#{INDEX}"},
            "sk": {"S": "OWNER"},
            "owners": {"SS": [USER]},
        },
    ]
    for item in items:
        dynamodb.put_item(TableName=table_name, Item=item)
    return table_name


def test_secrets_are_cut_short_and_the_rest_is_shown(dynamodb, table):
    phone, user = masked_items(dynamodb, table)
    assert user == {
        "pk": USER,
        "sk": "PROFILE",
        "createdAt": 1_790_000_000,
        "phone": "k1.sea…",
        "phoneIndex": "9f86d0…",
        "novel": "someth…",
        "sessions": {"c2hhMj…": {"usedAt": 2**33}},
    }
    assert phone == {"pk": "PHONE#wx1234567890abcdef#9f86d0…", "sk": "OWNER", "owners": [USER]}


def test_sessions_expire_on_demand(dynamodb, table):
    assert expire_sessions(dynamodb, table) == 1
    _, user = masked_items(dynamodb, table)
    assert user["sessions"] == {"c2hhMj…": {"usedAt": 0}}


class Gateway:
    def __init__(self):
        self.asked = []

    def answer(self, request):
        self.asked.append(request)
        return Response(418, (), request.path.encode())


@pytest.fixture
def inspected(dynamodb, tmp_path):
    stack = read_stack({"Stage": "test", "WeChatAppId": "wx1234567890abcdef"})
    page = tmp_path / "index.html"
    page.write_text("你好", "utf-8")
    gateway: Any = Gateway()
    return Inspected(gateway, stack, dynamodb, {"/": page}, Functions([]))


def test_the_demo_learns_where_wechat_is(inspected):
    answer = inspected.answer(Request("GET", "/local/info"))
    assert json.loads(answer.body) == {
        "appid": "wx1234567890abcdef",
        "wechat": "https://api.weixin.qq.com",
        "events": False,
    }


def test_the_files_of_the_demo_are_served(inspected):
    page = inspected.answer(Request("GET", "/?a=1"))
    assert (page.status, page.body.decode()) == (200, "你好")
    assert dict(page.headers)["content-type"] == "text/html; charset=utf-8"


def test_everything_else_is_the_gateways(inspected):
    assert inspected.answer(Request("GET", "/local/table/other")).status == 418
    assert inspected.answer(Request("POST", "/login")).status == 418
    assert inspected.answer(Request("POST", "/")).status == 418


def test_the_phones_requests_have_the_referer_of_wechats_app(inspected):
    referer = "https://servicewechat.com/wx1234567890abcdef/0/page-frame.html"
    browsers = ("Referer", "http://127.0.0.1:3000/phone/screen.html")
    inspected.answer(Request("POST", "/login", (browsers, ("Wechat-Referer", referer))))
    inspected.answer(Request("POST", "/login", (browsers,)))
    phones, others = inspected.gateway.asked
    assert phones.headers == (("referer", referer),)
    assert others.headers == (browsers,)


OWN = ("Host", "127.0.0.1:3000")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(("Sec-Fetch-Site", "cross-site"), id="another site"),
        pytest.param(("Sec-Fetch-Site", "same-site"), id="another port"),
        pytest.param(("Origin", "http://127.0.0.1:8080"), id="another port's origin"),
        pytest.param(("Origin", "https://evil.example"), id="another origin"),
        pytest.param(("Origin", "null"), id="no origin"),
    ],
)
def test_pages_from_elsewhere_are_refused(inspected, header):
    answer = inspected.answer(Request("POST", "/local/expire-sessions", (OWN, header)))
    assert answer.status == 403


def test_the_demos_own_page_is_not(inspected):
    headers = (OWN, ("Origin", "http://127.0.0.1:3000"), ("Sec-Fetch-Site", "same-origin"))
    assert inspected.answer(Request("GET", "/local/info", headers)).status == 200


def test_a_deployment_for_tests_has_neither_the_demo_nor_a_look_inside(backend):
    for path in ("/", "/local/info", "/local/table", "/docs"):
        assert backend.send("GET", path).status == 404
