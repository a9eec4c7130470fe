"""The control routes: actions of a phone, the console or a test."""

import pytest
import requests

LOGIN = "/sns/jscode2session"


def post(server, route, body=None, **headers):
    return requests.post(
        f"{server.url}/simulated/{route}", json=body or {}, headers=headers, timeout=5
    )


def test_a_phone_gets_its_codes_here(server):
    login = post(server, "wx.login", {"user": "alice"}).json()
    phone = post(server, "getPhoneNumber", {"user": "alice"}).json()
    session = post(server, "checkSession", {"user": "alice"}).json()

    assert login["errMsg"] == "login:ok"
    assert set(phone) == {"code", "encryptedData", "iv", "errMsg"}
    assert phone["errMsg"] == "getPhoneNumber:ok"
    assert session == {"valid": True, "errMsg": "checkSession:ok"}


def test_refusing_and_running_out_look_as_on_a_phone(server):
    denied = post(server, "getPhoneNumber", {"user": "alice", "allow": False}).json()
    post(server, "rules", {"phoneBalance": 0})
    used_up = post(server, "getPhoneNumber", {"user": "alice"}).json()

    assert denied["errMsg"] == "getPhoneNumber:fail user deny"
    assert used_up["errno"] == 1400001


def test_a_fault_is_ordered_and_taken_back(server):
    post(server, "faults", {"path": LOGIN, "kind": "status", "status": 500, "times": 9})
    assert requests.get(server.url + LOGIN, timeout=5).status_code == 500

    post(server, "faults", {"path": LOGIN, "times": 0})
    assert requests.get(server.url + LOGIN, timeout=5).status_code == 200


def test_people_are_adjusted_and_listed(server):
    changes = {"user": "alice", "blocked": True, "riskRank": 3}
    number = {"purePhoneNumber": "91234567", "countryCode": "852", "session": False}
    post(server, "people", {**changes, **number})

    (alice,) = requests.get(server.url + "/simulated/people", timeout=5).json()["people"]

    assert alice["blocked"] is True
    assert alice["riskRank"] == 3
    assert alice["phoneNumber"] == "+85291234567"


def test_rules_are_changed_and_the_app_secret_is_not_shown(server, served):
    changes = {"unionids": False, "whitelist": ["203.0.113.7"], "appSecret": "new"}

    rules = post(server, "rules", changes).json()

    assert rules["unionids"] is False
    assert rules["whitelist"] == ["203.0.113.7"]
    assert "appSecret" not in rules
    assert served.app_secret == "new"


def test_reset_puts_everything_back(server):
    post(server, "rules", {"unionids": False})
    post(server, "reset")

    assert requests.get(server.url + "/simulated/rules", timeout=5).json()["unionids"] is True


@pytest.mark.parametrize("path", ["/", "/simulated"])
def test_every_route_is_listed(server, path):
    assert "POST /simulated/wx.login" in requests.get(server.url + path, timeout=5).json()


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        pytest.param("wx.login", {}, 400, id="no user"),
        pytest.param("wx.login", {"user": ""}, 400, id="empty user"),
        pytest.param("wx.login", {"user": "x" * 65}, 400, id="long user"),
        pytest.param("wx.login", ["alice"], 400, id="no object"),
        pytest.param("getPhoneNumber", {"user": "a", "allow": 1}, 400, id="no truth value"),
        pytest.param("faults", {"path": "/x", "kind": "drop"}, 400, id="unknown path"),
        pytest.param("faults", {"path": LOGIN, "times": -1}, 400, id="negative times"),
        pytest.param("faults", {"path": LOGIN, "times": True}, 400, id="true is no number"),
        pytest.param("faults", {"path": LOGIN, "when": "never"}, 400, id="unknown moment"),
        pytest.param("people", {"user": "a", "riskRank": 5}, 400, id="no such rank"),
        pytest.param("people", {"user": "a", "purePhoneNumber": "+1"}, 400, id="no digits"),
        pytest.param("people", {"user": "a", "colour": "red"}, 400, id="unknown field"),
        pytest.param("rules", {"whitelist": "all"}, 400, id="no list"),
        pytest.param("events", {"user": "a", "event": "e"}, 400, id="no API to send to"),
        pytest.param("nothing", {}, 404, id="no such route"),
    ],
)
def test_an_error_is_one_sentence(server, route, body, status):
    answer = post(server, route, body)

    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(rb'{"user": "\ud800"}', id="half a surrogate pair"),
        pytest.param(b"[" * 100_000, id="too deep"),
    ],
)
def test_a_body_that_is_no_json_is_refused(server, body):
    answer = requests.post(server.url + "/simulated/wx.login", data=body, timeout=5)

    assert answer.status_code == 400


@pytest.mark.parametrize("origin", ["http://127.0.0.1:3000", "http://localhost:8080"])
def test_local_pages_may_use_the_control_routes(server, origin):
    preflight = requests.options(
        server.url + "/simulated/wx.login", headers={"Origin": origin}, timeout=5
    )
    answer = post(server, "wx.login", {"user": "alice"}, Origin=origin)

    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    assert preflight.headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize("origin", ["https://example.com", "http://localhost.example.com", "null"])
def test_other_pages_may_not(server, origin):
    answer = post(server, "wx.login", {"user": "alice"}, Origin=origin)

    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_no_page_may_use_the_routes_for_servers(server):
    answer = requests.get(
        server.url + LOGIN, headers={"Origin": "http://localhost:3000"}, timeout=5
    )

    assert "Access-Control-Allow-Origin" not in answer.headers
