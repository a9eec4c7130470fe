"""The demo may look into the local run and let time pass in it, and sees no secret."""

import json

import pytest

from local.inspection import Inspected, expire_sessions, masked_items
from local.payload import Request, Response
from stack.template import read_stack

USER = "USER#wx1234567890abcdef#oalice"
SID = "c2hhMjU2IG9mIGEgc2VjcmV0"
INDEX = "9f86d081884c7d659a2feaa0c55ad015"


@pytest.fixture
def table(dynamodb, table_name):
    """A user with a phone, a session and an attribute that nobody has heard of."""
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
    def answer(self, request):
        return Response(418, (), request.path.encode())


@pytest.fixture
def inspected(dynamodb):
    stack = read_stack({"Stage": "test", "WeChatAppId": "wx1234567890abcdef"})
    return Inspected(Gateway(), stack, dynamodb)


def test_the_demo_learns_where_wechat_is(inspected):
    answer = inspected.answer(Request("GET", "/local/info"))
    assert json.loads(answer.body) == {
        "appid": "wx1234567890abcdef",
        "wechat": "https://api.weixin.qq.com",
    }


def test_everything_else_is_the_gateways(inspected):
    assert inspected.answer(Request("GET", "/local/table/other")).status == 418
    assert inspected.answer(Request("POST", "/login")).status == 418


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_from_elsewhere_are_refused(inspected, site):
    headers = (("Sec-Fetch-Site", site),)
    answer = inspected.answer(Request("POST", "/local/expire-sessions", headers))
    assert answer.status == 403
