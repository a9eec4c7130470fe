"""Every alarm fires for its fault, and not before; and its description has a remedy.

The functions' own metrics come from functions that run here with the fault. API Gateway's metrics
are made from this gateway's answers. The metrics of Lambda and SQS are tested in tests/deployed,
which has both.
"""

import json
import re
import time

import boto3
import pytest
import requests

from local.functions import FunctionError
from simulated_wechat import serve
from stack.cloudformation import Values
from stack.template import ROOT
from tests.support import alarms
from tests.support.fault_proxy import FaultProxy
from tests.support.translated import STAGE, monitoring
from tests.support.written import prose, spans, template
from wechat_login import wiring

PHONE = "/wxa/business/getuserphonenumber"
LOGIN = "/sns/jscode2session"
STABLE = "/cgi-bin/stable_token"
RUNBOOK = ROOT / "docs" / "runbook.md"
OPERATE = ROOT / "docs" / "operate.md"
DRIVEN_WHERE_DEPLOYED = {"LoginThrottled", "SchedulesFailing"}
# Words of CloudWatch Logs Insights' own language, as far as the saved queries use it.
INSIGHTS = {"fields", "filter", "stats", "sort", "limit", "parse", "by", "as", "and", "asc", "desc"}
CLOUDWATCHS = {"@timestamp", "@message", "@logStream"}
# Lambda's report of an invocation, which no code here writes:
# https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#platform-report
LAMBDAS = {
    "type",
    "record.metrics.durationMs",
    "record.metrics.initDurationMs",
    "record.metrics.maxMemoryUsedMB",
}
# Fields that only other faults log; test_log.py keeps the list in docs/operate.md true.
RARELY_LOGGED = {
    f"request.{name}"
    for name in ("aws", "operation", "missing_parameter", "bug", "where.0", "why", "reason")
}


@pytest.fixture
def written(capsys):
    """Return the metrics that were written since the last time: `written()`."""
    capsys.readouterr()
    return lambda: list(alarms.embedded(capsys.readouterr().out))


def is_on(name, datapoints, **given):
    return alarms.is_on(alarms.alarm(name, **given), datapoints)


def log_in(backend, times, user="alice"):
    answers = [backend.call("login", code=backend.wechat.login_code(user)) for _ in range(times)]
    return [status for status, _ in answers]


def gateway(name, values, at=0.0):
    return [alarms.point("AWS/ApiGateway", name, each, at, ApiId="the-api") for each in values]


def test_misconfigured(backend, written):
    assert log_in(backend, 1) == [200]
    assert not is_on("Misconfigured", written())

    backend.set_app_secret("0" * 32)
    backend.cold_start()

    assert log_in(backend, 1) == [500]
    assert is_on("Misconfigured", written())


@pytest.mark.parametrize("errcode", [40013, 40164, 89503])
def test_misconfigured_by_an_errcode_of_wechat(backend, written, errcode):
    backend.wechat.fault(LOGIN, "errcode", errcode=errcode)

    assert log_in(backend, 1) == [500]
    assert is_on("Misconfigured", written())


def test_misconfigured_on_a_schedule(backend, written):
    backend.wechat.fault(STABLE, "errcode", errcode=40164)
    with pytest.raises(FunctionError, match="Misconfigured"):
        backend.deployment.invoke("renew_access_token", {})

    assert is_on("Misconfigured", written())


def break_the_profile(backend, user="alice"):
    """Leave an item in the table that no code of ours writes."""
    log_in(backend, 1, user)
    key = (f"USER#{backend.wechat.appid}#{backend.wechat.openid(user)}", "PROFILE")
    backend.dynamodb.put_item(
        TableName=backend.table, Item={"pk": {"S": key[0]}, "sk": {"S": key[1]}}
    )


def test_bugs(backend, written):
    break_the_profile(backend)
    assert not is_on("Bugs", written())

    assert log_in(backend, 1) == [500]
    assert is_on("Bugs", written())


def test_bugs_in_a_function_without_a_route(backend, written):
    break_the_profile(backend)
    openid = backend.wechat.openid("alice")

    with pytest.raises(FunctionError, match="LoginError"):
        backend.deployment.invoke("find_user", {"openid": openid})

    assert is_on("Bugs", written())


def test_server_errors(backend):
    backend.wechat.fault(LOGIN, "status", times=100, status=502)

    statuses = log_in(backend, 6)
    errors = [int(status >= 500) for status in statuses]

    assert is_on("ServerErrors", gateway("5xx", errors))
    assert not is_on("ServerErrors", gateway("5xx", errors[:5]))


def test_slow_answers(backend):
    backend.wechat.fault(LOGIN, "delay", times=1, ms=3200)
    measured = []
    for _ in range(3):
        began = time.monotonic()
        assert log_in(backend, 1) == [200]
        measured.append((time.monotonic() - began) * 1000)
    slow, fast = max(measured), min(measured)
    quarter = [each for at in (0, 300, 600) for each in gateway("Latency", [slow], at)]
    once = [*gateway("Latency", [slow]), *gateway("Latency", [fast], 300)]

    quick = [each for at in (0, 300, 600) for each in gateway("Latency", [fast], at)]

    assert is_on("SlowAnswers", quarter)
    assert not is_on("SlowAnswers", once)
    assert not is_on("SlowAnswers", quick)


def test_wechat_failing(backend, written):
    backend.wechat.fault(LOGIN, "garbage", times=100)

    assert set(log_in(backend, 5)) == {502}
    five = written()
    log_in(backend, 1)

    assert not is_on("WeChatFailing", five)
    assert is_on("WeChatFailing", [*five, *written()])


def test_storage_throttled(deployed_with, ministack, monkeypatch, written):
    with FaultProxy(ministack.url).running() as storage:
        backend = deployed_with()
        monkeypatch.setenv("AWS_ENDPOINT_URL", storage.url)
        wiring.reset()
        log_in(backend, 1)
        storage.fail("UpdateItem")

        statuses = log_in(backend, 6)

    assert set(statuses) == {503}
    assert is_on("StorageThrottled", written())


def test_access_token_stale(backend, written):
    backend.deployment.invoke("renew_access_token", {})
    fresh = written()
    backend.wechat.fault(STABLE, "errcode", times=100, errcode=-1)
    with pytest.raises(FunctionError, match="WeChatUnavailable"):
        backend.deployment.invoke("renew_access_token", {})
    failed = written()

    assert not is_on("AccessTokenStale", fresh)
    assert not is_on("AccessTokenStale", [*failed, *(each.ago(700) for each in fresh)])
    assert is_on("AccessTokenStale", [*failed, *(each.ago(1000) for each in fresh)])
    # Not even started: the schedule is gone, or Lambda rejected the call.
    assert is_on("AccessTokenStale", [])


def test_access_token_forced(backend, person, written):
    person("alice").register()
    assert not is_on("AccessTokenForced", written())
    # WeChat rejects the token that it returns.
    backend.wechat.fault(PHONE, "errcode", errcode=40001)

    person("bob").register()

    assert is_on("AccessTokenForced", written())


def test_signing_keys_overdue(backend, written):
    backend.deployment.invoke("rotate_signing_keys", {})
    looked_after = written()

    assert not is_on("SigningKeysOverdue", looked_after)
    assert not is_on("SigningKeysOverdue", [each.ago(86_400 + 10) for each in looked_after])
    assert is_on("SigningKeysOverdue", [each.ago(2 * 86_400 + 10) for each in looked_after])


@pytest.fixture
def publish(deployed_with):
    """Publish what the outbox has: `publish()` gives the function's answer."""
    backend = deployed_with(Events="true")

    def publish(**image):
        backend.person("alice").log_in()
        items = backend.dynamodb.scan(TableName=backend.table)["Items"]
        events = [each for each in items if each["pk"]["S"].startswith("EVENT#")]
        records = [
            {
                "dynamodb": {
                    "SequenceNumber": f"{at}",
                    "Keys": {name: each[name] for name in ("pk", "sk")},
                    "NewImage": {**each, **image},
                }
            }
            for at, each in enumerate(events)
        ]
        assert records
        return backend.deployment.invoke("publish_events", {"Records": records})

    return publish


def test_events_failed(publish):
    sqs = boto3.client("sqs")
    (queue,) = [each for each in sqs.list_queues()["QueueUrls"] if "FailedEvents" in each]

    def is_now_on():
        asked = "ApproximateNumberOfMessages"
        answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[asked])
        # SQS's name for this value in CloudWatch.
        name = "ApproximateNumberOfMessagesVisible"
        value = float(answer["Attributes"][asked])
        there = alarms.point("AWS/SQS", name, value, QueueName="the-other-queue")
        return is_on("EventsFailed", [there])

    assert publish() == {"batchItemFailures": []}
    assert not is_now_on()
    assert publish(detail={"S": "no JSON"}) == {"batchItemFailures": []}
    assert is_now_on()


def test_events_delayed(publish, ministack, monkeypatch, written):
    publish()
    assert not is_on("EventsDelayed", written())
    with FaultProxy(ministack.url).running() as bus:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bus.url)
        wiring.reset()
        bus.fail("PutEvents")
        wiring.reset()

        answers = [publish() for _ in range(3)]

    assert all(answer["batchItemFailures"] for answer in answers)
    once = [each for each in written() if each.name == "EventsDelayed"]
    assert not is_on("EventsDelayed", once)
    assert is_on("EventsDelayed", [each.ago(at) for each in once for at in (0, 300, 600)])


def test_without_events_there_is_no_alarm_about_them():
    given = Values(monitoring(), {**alarms.GIVEN, "FailedEventsName": ""})
    resources = monitoring()["Resources"]
    absent = {name for name, each in resources.items() if not given.exists(each)}

    assert absent == {"EventsFailed", "EventsDelayed"}
    body = given.resolve(resources["Overview"]["Properties"])["DashboardBody"]
    assert "EventsFailed" not in body
    assert json.loads(body)


@pytest.fixture
def pushed(backend):
    """Let WeChat push an event about the mini program: `pushed(event)` gives what we answered."""
    parameters = backend.deployment.parameters
    server = serve(
        backend.wechat,
        api_url=backend.url,
        event_token=parameters["event-token"],
        event_aes_key=parameters["event-aes-key"],
    )
    yield lambda **event: requests.post(
        f"{server.url}/simulated/events", json=event, timeout=20
    ).json()
    server.stop()


@pytest.mark.parametrize(
    "event", ["charge_mp_service_quota_notify", "charge_mp_service_validity_notify"]
)
@pytest.mark.parametrize("as_written", ["json", "xml"])
def test_phone_pack_ending(  # noqa: PLR0917 - each is a parameter of the test
    backend, person, pushed, written, event, as_written
):
    person("alice").register()
    pushed(user="alice", event="user_info_modified")
    assert not is_on("PhonePackEnding", written())

    assert pushed(event=event, format=as_written)["body"] == "success"

    one = written()
    assert is_on("PhonePackEnding", one)
    assert not is_on("Punished", one)
    assert backend.wechat.asked(PHONE) == 1


def test_punished(pushed, written):
    assert pushed(event="wxa_punish_event")["body"] == "success"

    one = written()
    assert is_on("Punished", one)
    assert not is_on("PhonePackEnding", one)
    assert not is_on("Punished", [each.ago(3600) for each in one])


def test_phones_costly(backend, person, written):
    alice, bob = person("alice"), person("bob")
    alice.register()
    # Rejected, so not charged.
    assert alice.tap("no-such-code")[0] == 401
    one = written()
    bob.register()
    two = [*one, *written()]

    assert not is_on("PhonesCostly", one, PhonesPerDay="1")
    assert is_on("PhonesCostly", two, PhonesPerDay="1")
    assert backend.wechat.asked(PHONE) == 3


def test_every_alarm_is_driven():
    tests = {name for name in globals() if name.startswith("test_")}
    driven = {name for name in alarms.names() if f"test_{in_words(name)}" in tests}

    assert driven | DRIVEN_WHERE_DEPLOYED == set(alarms.names())


def in_words(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name.replace("WeChat", "Wechat")).lower()


@pytest.mark.parametrize("name", alarms.names())
def test_an_alarm_has_a_remedy_and_a_topic(name):
    properties = alarms.alarm(name)
    runbook = RUNBOOK.read_text("utf-8")

    assert len(properties["AlarmDescription"].split(". ")) >= 2
    assert len(properties["AlarmDescription"]) <= 1024  # CloudWatch's limit
    assert properties["AlarmActions"] == properties["OKActions"] == ["the-topic"]
    assert f"### {name}\n" in runbook


def test_the_dashboard_shows_metrics_that_are_written_and_every_alarm(backend, person, written):
    person("alice").register()
    backend.deployment.invoke("renew_access_token", {})
    backend.deployment.invoke("rotate_signing_keys", {})
    log_in(backend, 1)
    there = {(each.namespace, each.name, each.dimensions) for each in written()}
    dashboard = monitoring()["Resources"]["Overview"]["Properties"]
    body = json.loads(Values(monitoring(), alarms.GIVEN).resolve(dashboard)["DashboardBody"])

    for widget in body["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], str) and metric[0] == "WeChatLogin":
                pairs = [each for each in metric[2:] if isinstance(each, str)]
                dimensions = frozenset(zip(pairs[::2], pairs[1::2], strict=True))
                assert (*metric[:2], dimensions) in there or metric[1] == "ForcedRefreshes"
    shown = next(each for each in body["widgets"] if each["type"] == "alarm")
    assert len(shown["properties"]["alarms"]) == len(alarms.names())
    # CloudWatch counts in a grid of 24 columns.
    assert all(each["x"] + each["width"] <= 24 for each in body["widgets"])
    assert STAGE in json.dumps(body)


def test_saved_queries_ask_for_fields_that_are_logged(backend, person, caplog, capsys):
    backend.wechat.fault(PHONE, "errcode", errcode=40001)
    person("alice").register()
    backend.wechat.fault(LOGIN, "errcode", errcode=40164)
    log_in(backend, 1)
    requests = [
        {"message": each.message, "request": each.request}
        for each in caplog.records
        if hasattr(each, "request")
    ]
    ours = {field for line in [*requests, *printed(capsys)] for field in fields_of(line)}
    groups = {
        "LogGroupName": ours | RARELY_LOGGED | LAMBDAS | CLOUDWATCHS,
        "AccessLogGroupName": access_log_fields() | CLOUDWATCHS,
    }

    assert {"request.errcode", "request.rid", "request.refused_ip", "request.user_id"} <= ours
    for name, each in saved_queries().items():
        asked = fields_asked_by(each["QueryString"])
        assert asked, name
        for group in each["LogGroupNames"]:
            assert asked <= groups[group["Ref"]], name


def test_a_saved_query_for_a_field_that_nobody_logs_would_be_found():
    query = """
        fields @timestamp, pct(request.ms, 99) as p99, cold_start
        | parse @logStream "*[*" as name, rest
        | filter message = "request" and ispresent(WeChatLatency.0)
        | stats count(*) as times by name, said
        | sort times desc
    """

    assert fields_asked_by(query) == {
        "@timestamp",
        "@logStream",
        "request.ms",
        "cold_start",
        "message",
        "WeChatLatency.0",
        "said",
    }


def test_the_log_lines_of_lambda_are_documented():
    assert set(spans(prose(OPERATE))) >= LAMBDAS


def test_the_query_for_wechats_answers_sees_every_call_of_a_request(backend, person, capsys):
    backend.wechat.fault(PHONE, "errcode", errcode=40001)
    person("alice").register()
    seen = [
        (line["api"], line["said"])
        for line in printed(capsys)
        if "WeChatLatency.0" in fields_of(line)
    ]

    assert [said for api, said in seen if api == PHONE] == ["40001", "0"]
    assert len(seen) == sum(map(backend.wechat.asked, (LOGIN, STABLE, PHONE)))


def saved_queries():
    return {
        name: each["Properties"]
        for name, each in monitoring()["Resources"].items()
        if each["Type"] == "AWS::Logs::QueryDefinition"
    }


def printed(capsys):
    """Return the lines with metrics."""
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line) for line in lines if '"_aws"' in line]


def access_log_fields():
    api = template()["Resources"]["Api"]["Properties"]
    return set(json.loads(api["AccessLogSettings"]["Format"]))


def fields_of(value, name=""):
    """Return the fields of a line of JSON, named as CloudWatch Logs Insights names them."""
    if not isinstance(value, dict | list):
        return {name}
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    return {
        field
        for key, each in inside
        for field in fields_of(each, f"{name}.{key}" if name else str(key))
    }


def fields_asked_by(query):
    """Return the fields that a query reads: every name that is not its language's or its own."""
    names, own = set(), set()
    for line in query.splitlines():
        command = re.sub(r'"[^"]*"', "", line).strip("| ")
        if command.startswith("parse "):
            command, _, made = command.partition(" as ")
            own.update(re.findall(r"\w+", made))
        own.update(re.findall(r" as (\w+)", command))
        names.update(re.findall(r"(?<![\w.@])@?[A-Za-z_][\w.]*\b(?!\()", command))
    return names - own - INSIGHTS
