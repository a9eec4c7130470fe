"""`make doctor`: reports each fault with its remedy, and fails; or finds no fault."""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from ops.doctor.__main__ import main
from ops.doctor.account import check_throughput
from ops.doctor.api import check_domain
from ops.doctor.deployment import Deployment
from ops.doctor.examination import examine
from ops.doctor.stack import check_stack
from ops.stage import Stage, find
from stack.cloudformation import REGION
from stack.template import ROOT
from tests.support.backend import ACCESS_TOKEN
from tests.support.commands import run_here
from tests.support.stubbed_aws import Session
from tests.support.written import run
from wechat_login.tokens.signing_keys import new_signing_keys

HOUR = 3600
DAY = 24 * HOUR
STABLE = "/cgi-bin/stable_token"


@pytest.fixture
def issuing_here(deployed_with):
    """A backend whose tokens name a fixed issuer, and whose access token has been renewed."""
    backend = deployed_with()
    backend.deployment.invoke("renew_access_token", {})
    return backend


@pytest.fixture
def doctor(issuing_here, ministack, tmp_path, monkeypatch):
    """Check that backend like `make doctor STAGE=local`: `doctor()` returns code and lines."""
    stack = issuing_here.deployment.stack
    running = {
        "region": REGION,
        "api": issuing_here.url,
        "aws": ministack.url,
        "accessKey": "local",
        "table": issuing_here.table,
        "parameters": dict(stack.parameters),
    }

    def run_checks(**changes):
        (tmp_path / "running.json").write_text(json.dumps({**running, **changes}))
        monkeypatch.setenv("LOCAL_DIR", str(tmp_path))
        findings = list(examine(Deployment(find("local"))))
        return int(any(each.grade == "FAIL" for each in findings)), list(map(str, findings))

    return run_checks


@pytest.fixture
def command(doctor, tmp_path):
    """Run the command itself: `command()` returns the finished process."""
    doctor()
    return lambda: run(
        [sys.executable, "-m", "ops.doctor", "local"],
        cwd=ROOT,
        env={"LOCAL_DIR": str(tmp_path)},
    )


def failures(lines):
    return [line for line in lines if line.startswith("FAIL")]


def test_a_healthy_deployment_has_nothing_to_fix(doctor):
    code, lines = doctor()

    assert failures(lines) == []
    assert code == 0
    ours = ("parameters", "AppSecret", "AppID", "table", "TTL", "API", "clock", "discovery")
    for check in (*ours, "phone numbers", "push address"):
        assert any(line.startswith(f"ok    {check}:") for line in lines), check


def test_the_command_fails_if_there_is_something_to_fix(command, issuing_here):
    well = command()
    issuing_here.set_app_secret("0" * 32)
    ill = command()

    assert (well.returncode, well.stdout.splitlines()[-1]) == (0, "All is well."), well.stderr
    assert (ill.returncode, ill.stdout.splitlines()[-1]) == (1, "1 to fix.")
    assert len(failures(ill.stdout.splitlines())) == 1


def test_no_secret_is_ever_shown(doctor, issuing_here):
    _, lines = doctor()

    said = "\n".join(lines)
    for value in issuing_here.deployment.parameters.values():
        assert value not in said


def check_one(doctor, *named, **changes):
    code, lines = doctor(**changes)

    assert code == 1
    found = [line for line in failures(lines) if all(each in line for each in named)]
    assert found, lines
    # One line, with what is wrong and what to do.
    assert all(len(line.split(". ")) >= 2 for line in failures(lines))
    return lines


def test_a_wrong_app_secret(doctor, issuing_here):
    issuing_here.set_app_secret("0" * 32)

    check_one(doctor, "AppSecret", "40125", "make secrets STAGE=local ROTATE=app-secret")


@pytest.mark.parametrize("name", ["app-secrets", "sealing-key", "signing-keys", "public-keys"])
def test_a_missing_parameter(doctor, issuing_here, name):
    issuing_here.ssm.delete_parameter(Name=issuing_here.parameter_name(name))

    check_one(doctor, f"{name} is not there", "make secrets STAGE=local")


def test_a_parameter_that_can_be_done_without_is_a_note(doctor, issuing_here):
    issuing_here.ssm.delete_parameter(Name=issuing_here.parameter_name("event-token"))

    code, lines = doctor()

    assert code == 0
    assert any(line.startswith("note") and "pushes are refused" in line for line in lines)


@pytest.mark.parametrize(
    ("errcode", "remedy"),
    [
        (40013, "AppID"),
        (89503, "Confirm the message"),
        (89506, "24 hours"),
        (89507, "an hour"),
        (50007, "frozen"),
        (40002, "docs/troubleshooting.md"),
    ],
)
def test_each_errcode_of_wechat_has_its_remedy(doctor, issuing_here, errcode, remedy):
    issuing_here.wechat.fault(STABLE, "errcode", errcode=errcode)

    check_one(doctor, str(errcode), remedy)


def test_an_address_that_is_not_in_the_whitelist_is_named(doctor, issuing_here):
    issuing_here.wechat.whitelist = {"203.0.113.7"}

    check_one(doctor, "40164", "Add 127.0.0.1")


def test_an_appid_that_is_no_mini_programs(doctor, issuing_here):
    issuing_here.wechat.fault("/sns/jscode2session", "errcode", errcode=48001)

    check_one(doctor, "AppID", "official account")


def said_of(doctor, check, **changes):
    """Give the lines of one check, without the name, and see that notes leave the doctor green."""
    code, lines = doctor(**changes)
    assert code == int(bool(failures(lines)))
    return [line.replace(f"{check}: ", "") for line in lines if line[6:].startswith(f"{check}: ")]


def test_the_phone_numbers_that_are_left_of_each_button(doctor, issuing_here):
    issuing_here.wechat.mini_program().phone_packs_end = 4_000_000_000
    issuing_here.wechat.phone_balance = 950

    assert said_of(doctor, "phone numbers") == [
        "ok    getPhoneNumber has 950 of 1000 left, until 2096-10-02",
        "ok    getRealtimePhoneNumber has 1000 of 1000 left, until 2096-10-02",
    ]


@pytest.mark.parametrize(
    ("balance", "days", "grade", "found"),
    [
        pytest.param(99, 300, "note", "99 of 1000 left", id="few"),
        pytest.param(1000, 14, "note", "1000 of 1000 left", id="until soon"),
        pytest.param(100, 16, "ok", "100 of 1000 left", id="just enough"),
        pytest.param(0, 300, "FAIL", "none left", id="none"),
        pytest.param(1000, -1, "FAIL", "none left", id="ended"),
    ],
)
def test_phone_numbers_that_run_out(  # noqa: PLR0917 - each is a parameter of the test
    doctor, issuing_here, balance, days, grade, found
):
    issuing_here.wechat.phone_balance = balance
    issuing_here.wechat.mini_program().phone_packs_end = int(time.time() + days * DAY)

    fast, _ = said_of(doctor, "phone numbers")

    assert fast.startswith(grade)
    assert found in fast
    assert ("付费管理" in fast) == (grade != "ok")


def test_a_button_that_nobody_uses_may_have_no_numbers(doctor, issuing_here):
    app = issuing_here.wechat.mini_program()
    app.phone_packs_end = int(time.time()) - 1
    _, realtime = said_of(doctor, "phone numbers")
    app.realtime_phone_balance, app.phone_packs_end = 0, int(time.time()) + 99 * DAY
    _, used_up = said_of(doctor, "phone numbers")

    assert realtime.startswith("note")
    assert used_up.startswith("FAIL")


@pytest.mark.parametrize(
    ("listed", "grade"),
    [
        pytest.param(["https://login.example.com"], "ok", id="listed"),
        pytest.param(["https://LOGIN.example.com/"], "ok", id="listed in other letters"),
        pytest.param(["https://example.com"], "FAIL", id="another"),
        pytest.param([], "FAIL", id="none"),
    ],
)
def test_the_domain_in_wechats_list(doctor, issuing_here, listed, grade):
    issuing_here.wechat.mini_program().domains = {"requestdomain": listed}
    settings = dict(issuing_here.deployment.stack.parameters)
    named = {**settings, "DomainName": "login.example.com"}

    (line,) = said_of(doctor, "request domain", parameters=named)

    assert line.startswith(grade)
    assert ("Add https://login.example.com" in line) == (grade == "FAIL")
    assert not said_of(doctor, "request domain", parameters={**settings, "DomainName": ""})


@pytest.mark.parametrize(
    ("addresses", "reachable", "grade", "found"),
    [
        pytest.param(["203.0.113.7"], True, "ok", "reaches it", id="answers"),
        pytest.param(["203.0.113.7"], False, "note", "no ping comes back", id="answers no ping"),
        pytest.param([], True, "FAIL", "no IP address", id="no DNS record"),
        pytest.param(None, True, "note", "none is set", id="not set"),
    ],
)
def test_the_push_address(  # noqa: PLR0917 - each is a parameter of the test
    doctor, issuing_here, addresses, reachable, grade, found
):
    app = issuing_here.wechat.mini_program()
    app.push_addresses, app.push_reachable = addresses, reachable

    (line,) = said_of(doctor, "push address")

    assert line.startswith(grade)
    assert found in line


NUMBERS = {
    "phone numbers": "/wxa/charge/usage/get",
    "push address": "/cgi-bin/callback/check",
    "request domain": "/wxa/getwxadevinfo",
}


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        pytest.param({"kind": "errcode", "errcode": 48001}, "WeChat says 48001", id="no right"),
        pytest.param({"kind": "errcode", "errcode": 40001}, "WeChat says 40001", id="no token"),
        pytest.param({"kind": "status", "status": 502}, "HTTP 502", id="broken"),
        pytest.param({"kind": "garbage"}, "no JSON", id="garbage"),
    ],
)
@pytest.mark.parametrize("check", NUMBERS)
def test_what_wechat_does_not_say_is_no_fault(doctor, issuing_here, check, fault, found):
    settings = {**issuing_here.deployment.stack.parameters, "DomainName": "login.example.com"}
    issuing_here.wechat.mini_program().domains = {"requestdomain": ["https://login.example.com"]}
    issuing_here.wechat.fault(NUMBERS[check], times=9, **fault)

    (line,) = said_of(doctor, check, parameters=settings)

    assert line.startswith("note  cannot tell: ")
    assert found in line


def test_without_an_access_token_wechat_is_asked_nothing_more(doctor, issuing_here):
    issuing_here.set_parameter(ACCESS_TOKEN, '{"token": "t", "expires_at": 1}')
    doctor()

    assert not any(map(issuing_here.wechat.asked, NUMBERS.values()))


@pytest.mark.parametrize(
    ("required", "protected", "noted"),
    [("true", "true", True), ("true", "false", False), ("false", "true", False)],
)
def test_a_released_stage_that_locks_out_who_refuses(
    doctor, issuing_here, required, protected, noted
):
    settings = dict(issuing_here.deployment.stack.parameters)
    chosen = {"PhoneRequired": required, "DeletionProtection": protected}

    lines = said_of(doctor, "phone", parameters={**settings, **chosen})

    assert [line.startswith("note") for line in lines] == [True] * noted
    assert all("15.1.3.2" in line for line in lines)


@pytest.mark.parametrize(
    ("events", "bus", "expected"),
    [
        ("false", "none", []),
        ("true", "default", ["ok    publishes on the bus default"]),
        ("true", "defaul", ["FAIL  there is no bus defaul. Make it: aws events create-event-bus"]),
    ],
)
def test_a_bus_that_does_not_exist_would_drop_every_event(
    doctor, issuing_here, events, bus, expected
):
    settings = dict(issuing_here.deployment.stack.parameters)

    lines = said_of(
        doctor, "events", parameters={**settings, "Events": events, "EventBusName": bus}
    )

    assert [line[: len(each)] for line, each in zip(lines, expected, strict=True)] == expected


@pytest.fixture
def explained(doctor, tmp_path):
    """Run `make doctor RID=…`: `explained(rid)` gives the line."""
    doctor()

    def explain(rid):
        environment = {**os.environ, "LOCAL_DIR": str(tmp_path)}
        ran = run_here(main, "local", "--rid", rid, environment=environment)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return explain


def test_a_rid_tells_what_wechat_answered_and_no_secret(explained, issuing_here, caplog):
    alice = issuing_here.person("alice")
    alice.log_in()
    alice.tap("no-such-code")
    (rid,) = [each.request["rid"] for each in caplog.records if "rid" in request_of(each)]

    line = explained(rid)

    assert line.startswith("note  rid: WeChat answered 40029 (invalid code")
    assert "to 127.0.0.1 at 20" in line
    assert "docs/troubleshooting.md" in line
    secrets = [*issuing_here.deployment.parameters.values(), "no-such-code", alice.openid]
    assert not [each for each in secrets if each in line]


def request_of(record):
    return getattr(record, "request", {})


@pytest.mark.parametrize(
    ("rid", "found"),
    [
        ("nonsense", "this is no rid of WeChat's"),
        pytest.param(
            f"{int(time.time()):08x}-00000000-00000000", "WeChat knows no such call", id="fresh"
        ),
        ("61725984-6126f6f9-040f19c4", "older than seven days"),
    ],
)
def test_a_rid_that_wechat_says_nothing_about(explained, rid, found):
    line = explained(rid)

    assert line.startswith("note  rid: ")
    assert found in line


def test_a_rid_that_nobody_can_be_asked_about(explained, issuing_here):
    issuing_here.set_parameter(ACCESS_TOKEN, "none yet")
    assert "there is no access token" in explained("61725984-6126f6f9-040f19c4")


def test_a_table_that_is_gone(doctor, issuing_here):
    issuing_here.dynamodb.delete_table(TableName=issuing_here.table)

    check_one(doctor, "table", "ResourceNotFoundException", "docs/runbook.md")


def test_a_table_that_forgets_nothing(doctor, issuing_here):
    issuing_here.dynamodb.update_time_to_live(
        TableName=issuing_here.table,
        TimeToLiveSpecification={"Enabled": False, "AttributeName": "expiresAt"},
    )

    check_one(doctor, "TTL", "make deploy STAGE=local")


def test_an_aws_that_does_not_answer(doctor):
    check_one(doctor, "parameters", aws="http://127.0.0.1:9")


def test_an_api_that_does_not_answer(doctor):
    check_one(doctor, "API", "http://127.0.0.1:9", api="http://127.0.0.1:9")


def test_an_api_that_is_somebody_elses(doctor, issuing_here):
    elsewhere = f"{issuing_here.url}/elsewhere"

    check_one(doctor, "API", "not by our function", api=elsewhere)


def test_tokens_that_are_to_name_another_issuer(doctor, issuing_here):
    settings = dict(issuing_here.deployment.stack.parameters)

    check_one(doctor, "issuer", parameters={**settings, "Issuer": "https://other.example"})


def test_an_access_token_that_nothing_renews(doctor, issuing_here):
    issuing_here.set_parameter(ACCESS_TOKEN, '{"token": "t", "expires_at": 1}')

    check_one(doctor, "access token", "RenewAccessToken")


def test_a_signing_key_that_is_not_published(doctor, issuing_here):
    issuing_here.set_parameter("public-keys", '{"keys": []}')
    issuing_here.cold_start()

    check_one(doctor, "not published", "history")


def test_a_key_that_was_made_just_now_is_no_fault(doctor, issuing_here):
    doctor()
    issuing_here.deployment.invoke("rotate_signing_keys", {"now": True})

    code, lines = doctor()

    assert code == 0, lines
    assert not failures(lines)


@pytest.mark.parametrize(
    "made_at",
    [
        pytest.param(time.time() - 100 * DAY, id="a hundred days ago"),
        pytest.param(HOUR, id="at the beginning of time"),
    ],
)
def test_a_signing_key_that_should_have_been_replaced(doctor, issuing_here, made_at):
    private, public = new_signing_keys(made_at)
    issuing_here.set_parameter("signing-keys", private)
    issuing_here.set_parameter("public-keys", public)
    issuing_here.cold_start()

    check_one(doctor, "signing keys", "90 were wanted", "RotateSigningKeys")


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param("nonsense", id="no JSON"),
        pytest.param("[]", id="a list"),
        pytest.param('{"keys": [], "current": "k1", "index": ""}', id="a list inside"),
        pytest.param('{"keys": [{"kid": "k1"}], "token": "t"}', id="half of it"),
    ],
)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sealing-key", ["sealing key:", "history"]),
        ("signing-keys", ["signing keys:", "history"]),
        ("public-keys", ["public keys:", "SSM"]),
        (ACCESS_TOKEN, ["access token:", "RenewAccessToken"]),
    ],
)
def test_a_parameter_that_cannot_be_read(doctor, issuing_here, name, said, garbage):
    issuing_here.set_parameter(name, garbage)

    check_one(doctor, *said)


def test_an_api_without_a_date(doctor):
    class Timeless(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response_only(404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Timeless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lines = check_one(doctor, "API", api=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()

    assert any(line.startswith("note  clock:") for line in lines)


def test_a_local_run_that_is_not_there(tmp_path):
    ran = run_here(main, "local", environment={"LOCAL_DIR": str(tmp_path)})

    assert ran.returncode == 1
    assert ran.stderr == "make doctor: no local run was found: start it with make run\n"


@pytest.mark.parametrize(
    ("name", "grade", "said"),
    [
        pytest.param("", "note", "a released mini program needs one", id="none"),
        pytest.param("127.0.0.2", "FAIL", "leads nowhere", id="nobody there"),
    ],
)
def test_the_domain(name, grade, said):
    stack = {
        "StackStatus": "CREATE_COMPLETE",
        "Parameters": [{"ParameterKey": "DomainName", "ParameterValue": name}],
        "Outputs": [{"OutputKey": "DomainTarget", "OutputValue": "d-1.example"}],
    }
    session: Any = Session({("cloudformation", "describe_stacks"): {"Stacks": [stack]}})

    (finding,) = check_domain(Deployment(Stage("prod", "wechat-login-prod", {}, session)))

    assert finding.grade == grade
    assert said in str(finding)


@pytest.mark.parametrize(
    ("status", "grade", "said"),
    [
        ("CREATE_COMPLETE", "ok", ""),
        ("UPDATE_COMPLETE", "ok", ""),
        ("UPDATE_ROLLBACK_COMPLETE", "FAIL", "fix the failed resource, then make deploy"),
        ("CREATE_FAILED", "FAIL", "fix the failed resource, then make deploy"),
        ("DELETE_FAILED", "FAIL", "--stack-name s --region cn-north-1), then make deploy"),
        ("CREATE_IN_PROGRESS", "FAIL", "Wait"),
        ("ROLLBACK_IN_PROGRESS", "FAIL", "Wait"),
        ("REVIEW_IN_PROGRESS", "FAIL", "make deploy"),
    ],
)
def test_the_stacks_status(status, grade, said):
    session = Session(
        {
            ("cloudformation", "describe_stacks"): {"Stacks": [{"StackStatus": status}]},
            ("cloudformation", "describe_stack_events"): {"StackEvents": []},
        }
    )

    (finding,) = check_stack(Deployment(Stage("prod", "s", {}, session)))

    assert finding.grade == grade
    assert said in finding.remedy


@pytest.mark.parametrize(("setting", "grade"), [("true", "ok"), ("false", "note")])
def test_ssms_throughput(setting, grade):
    answer = {"ServiceSetting": {"SettingValue": setting}}
    session: Any = Session({("ssm", "get_service_setting"): answer})

    (finding,) = check_throughput(Deployment(Stage("prod", "s", {}, session)))

    assert finding.grade == grade
