"""WeChat's data of a mini program: domains, push address, phone packs and rids."""

import json

import pytest
import requests

LOGIN = "/sns/jscode2session"
PHONE = "/wxa/business/getuserphonenumber"
DOMAINS = "/wxa/getwxadevinfo"
CALLBACK = "/cgi-bin/callback/check"
USAGE = "/wxa/charge/usage/get"
RID = "/cgi-bin/openapi/rid/get"

DAY = 86400
SERVER_LISTS = {"requestdomain", "wsrequestdomain", "uploaddomain", "downloaddomain", "udpdomain"}


@pytest.mark.parametrize(
    ("asked", "lists"),
    [
        pytest.param({"action": "getserverdomain"}, SERVER_LISTS, id="server"),
        pytest.param({"action": "getbizdomain"}, {"bizdomain"}, id="business"),
        pytest.param({}, SERVER_LISTS | {"bizdomain"}, id="all"),
    ],
)
def test_the_domain_lists_are_returned_by_their_kind(wechat, backend, asked, lists):
    wechat.mini_program().domains = {"requestdomain": ["https://login.example.com"]}

    answer = backend.call(DOMAINS, **asked)

    assert answer.keys() - {"errcode", "errmsg"} == lists
    assert answer.get("requestdomain") in (None, ["https://login.example.com"])
    assert answer.get("bizdomain") in (None, [])


def test_each_mini_program_has_its_own_domains(wechat, backend, second):
    wechat.mini_program().domains = {"requestdomain": ["https://login.example.com"]}

    assert backend.call(DOMAINS)["requestdomain"] == ["https://login.example.com"]
    assert second.call(DOMAINS)["requestdomain"] == []


def test_the_push_address_is_resolved_and_pinged(wechat, backend):
    wechat.mini_program().push_addresses = ["203.0.113.7", "203.0.113.8"]

    answer = backend.call(CALLBACK, action="all", check_operator="DEFAULT")

    assert "errcode" not in answer
    assert [each["ip"] for each in answer["dns"]] == ["203.0.113.7", "203.0.113.8"]
    assert all(each.keys() == {"ip", "real_operator"} for each in answer["dns"])
    assert [each["package_loss"] for each in answer["ping"]] == ["0%", "0%"]
    assert answer["ping"][0].keys() == {"ip", "from_operator", "package_loss", "time"}


def test_one_of_the_two_checks_can_be_asked_for(backend):
    assert backend.call(CALLBACK, action="dns", check_operator="CAP").keys() == {"dns"}
    answer = backend.call(CALLBACK, action="ping", check_operator="CAP")
    assert answer.keys() == {"ping"}
    assert answer["ping"][0]["from_operator"] == "CAP"


def test_an_address_that_wechat_does_not_reach_loses_its_ping(wechat, backend):
    wechat.mini_program().push_reachable = False

    answer = backend.call(CALLBACK, action="all", check_operator="DEFAULT")

    assert answer["dns"]
    assert [each["package_loss"] for each in answer["ping"]] == ["100%"]


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        pytest.param({"action": "trace"}, 40202, id="unknown action"),
        pytest.param({"action": None}, 40202, id="no action"),
        pytest.param({"check_operator": "OTHER"}, 40203, id="unknown operator"),
        pytest.param({"check_operator": None}, 40203, id="no operator"),
    ],
)
def test_an_error_of_a_check_is_named(backend, changes, errcode):
    asked = {"action": "all", "check_operator": "DEFAULT", **changes}

    assert backend.call(CALLBACK, **asked)["errcode"] == errcode


def test_without_an_address_there_is_nothing_to_check(wechat, backend):
    wechat.mini_program().push_addresses = None

    assert backend.call(CALLBACK, action="all", check_operator="DEFAULT")["errcode"] == 40201


def usage(backend, spu="10000077", offset="0", limit="20"):
    return backend.look(USAGE, spuId=spu, offset=offset, limit=limit)


def test_the_usage_has_the_counts_and_the_end(wechat, backend, clock):
    began = int(clock())
    for _ in range(3):
        wechat.phone_code("alice")

    answer = usage(backend)

    period = {"startTime": began, "endTime": began + 365 * DAY}
    assert answer == {
        "errcode": 0,
        "errmsg": "ok",
        "all": "1000",
        "effectiveAll": "1000",
        "effectiveUse": "3",
        "startServiceTime": period["startTime"],
        "endServiceTime": period["endTime"],
        "total": 1,
        "detailList": [
            {
                "pkgId": "ZY10000077",
                **period,
                "used": "3",
                "all": "1000",
                "status": 1,
                "spuId": "10000077",
                "skuId": "10000077",
            }
        ],
    }


def test_each_button_has_its_own_usage(wechat, backend):
    wechat.realtime_phone_code("alice")

    assert usage(backend, "10000077")["effectiveUse"] == "0"
    assert usage(backend, "10000086")["effectiveUse"] == "1"


def test_with_no_number_left_all_are_used(wechat, backend):
    wechat.phone_balance = 0

    assert usage(backend)["effectiveUse"] == usage(backend)["effectiveAll"] == "1000"


def test_an_expired_pack_does_not_count(backend, clock):
    end = usage(backend)["endServiceTime"]
    clock.sleep(365 * DAY)

    answer = usage(backend)

    assert (answer["effectiveAll"], answer["effectiveUse"]) == ("0", "0")
    assert answer["endServiceTime"] == end


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"spu": "1"}, id="another product"),
        pytest.param({"limit": "21"}, id="too long a page"),
        pytest.param({"limit": "0"}, id="an empty page"),
        pytest.param({"offset": "-1"}, id="a negative offset"),
        pytest.param({"offset": ""}, id="no offset"),
    ],
)
def test_a_wrong_usage_query_is_rejected(backend, query):
    assert usage(backend, **query)["errcode"] == 47001


def test_the_second_page_is_empty(backend):
    assert usage(backend, offset="1")["detailList"] == []


def rid_of(answer):
    return answer["errmsg"].rpartition("rid: ")[2]


def test_a_rid_returns_the_request_and_its_answer(backend, clock):
    token = backend.stable()["access_token"]
    refused = backend.post(PHONE, {"code": "wrong"}, access_token=token)

    answer = backend.call(RID, rid=rid_of(refused))

    recorded = answer["request"]
    assert answer["errcode"] == 0
    assert recorded["cost_in_ms"] >= 1
    assert recorded == {
        "invoke_time": int(clock()),
        "cost_in_ms": recorded["cost_in_ms"],
        "request_url": f"access_token={token}",
        "request_body": '{"code": "wrong"}',
        "response_body": json.dumps(refused, separators=(",", ":")),
        "client_ip": "127.0.0.1",
    }


def test_a_rid_of_a_fault_is_known_too(wechat, backend):
    wechat.fault(PHONE, "errcode", errcode=-1)
    refused = backend.call(PHONE, code="x")

    assert "-1" in backend.call(RID, rid=rid_of(refused))["request"]["response_body"]


@pytest.mark.parametrize("rid", ["", "no rid", "61725984-6126f6f9", None, 5])
def test_a_text_that_is_no_rid_is_rejected(backend, rid):
    assert backend.call(RID, rid=rid)["errcode"] == 76002


def test_a_rid_that_wechat_did_not_give_is_not_found(backend, clock):
    assert backend.call(RID, rid=f"{int(clock()):08x}-00000000-00000000")["errcode"] == 76001


def test_a_rid_is_for_the_mini_program_that_made_the_call(backend, second):
    refused = backend.call(PHONE, code="wrong")

    assert second.call(RID, rid=rid_of(refused))["errcode"] == 76003


def test_a_rid_lives_seven_days(backend, clock):
    refused = backend.call(PHONE, code="wrong")
    clock.sleep(7 * DAY)
    assert backend.call(RID, rid=rid_of(refused))["errcode"] == 0
    clock.sleep(1)

    assert backend.call(RID, rid=rid_of(refused))["errcode"] == 76004


def test_a_rid_of_a_login_is_not_returned(backend):
    assert backend.call(RID, rid=rid_of(backend.login("wrong")))["errcode"] == 76022


def test_the_control_routes_set_what_wechat_knows(server, served):
    app = served.mini_program()
    changes = {
        "domains": {"requestdomain": ["https://login.example.com"]},
        "pushAddresses": [],
        "pushReachable": False,
        "phoneBalance": 0,
        "realtimePhoneBalance": 7,
        "phonePacksEnd": 1_800_000_000,
    }

    rules = requests.post(f"{server.url}/simulated/rules", json=changes, timeout=5).json()

    assert rules["domains"]["requestdomain"] == ["https://login.example.com"]
    assert {name: rules[name] for name in changes if name != "domains"} == {
        name: each for name, each in changes.items() if name != "domains"
    }
    assert (app.phone_balance, app.realtime_phone_balance) == (0, 7)
    assert app.phone_packs_end == 1_800_000_000
    assert (app.push_addresses, app.push_reachable) == ([], False)


@pytest.mark.parametrize(
    "domains",
    [
        pytest.param(["https://login.example.com"], id="no object"),
        pytest.param({"otherdomain": []}, id="no list of WeChat's"),
        pytest.param({"requestdomain": "https://login.example.com"}, id="no list"),
        pytest.param({"requestdomain": [1]}, id="no address"),
    ],
)
def test_domains_that_are_none_are_refused(server, domains):
    body = {"domains": domains}

    answer = requests.post(f"{server.url}/simulated/rules", json=body, timeout=5)

    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")
