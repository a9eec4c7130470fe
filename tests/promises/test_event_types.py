"""The events: code, schema, document and examples have the same types and fields."""

import ast
import json
import re
import runpy
from typing import Any

import boto3
import pytest

from local.subscriber import MOST_KEPT
from stack.cloudformation import REGION
from stack.template import ROOT
from tests.support import events, written
from tests.support.shop import CODE, TEMPLATE, rules, template
from tests.support.translated import lint, translated
from tests.support.written import CONSUMER, LAYER, fenced, span, spans, stack, table
from wechat_login.accounts import outbox

GUIDE = ROOT / "docs" / "events.md"
EXAMPLES = {
    each["detail-type"]: each
    for each in (json.loads(block.text) for block in fenced(GUIDE, "json"))
}
PATTERNS = {row[0]: json.loads(span(row[1])) for row in table(GUIDE, "you want", "pattern")}
OUTBOX = ast.parse((LAYER / "accounts" / "outbox.py").read_text("utf-8"))
each_type = pytest.mark.parametrize("kind", sorted(events.kinds()))


@pytest.fixture(scope="module")
def event_bus(ministack):
    keys: Any = {"aws_access_key_id": "111111111111", "aws_secret_access_key": "local"}
    return boto3.client("events", endpoint_url=ministack.url, region_name=REGION, **keys)


def yielded(node):
    """Return the texts that a function may yield first, of one or of two cases."""
    for each in ast.walk(node):
        if isinstance(each, ast.Yield) and isinstance(each.value, ast.Tuple):
            first: Any = each.value.elts[0]
            cases: list[Any] = (
                [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
            )
            yield from (case.value for case in cases)


def test_the_schema_has_the_types_that_the_code_writes():
    (changes,) = [each for each in ast.walk(OUTBOX) if getattr(each, "name", "") == "_changes"]

    assert {f"user.{kind}" for kind in yielded(changes)} == events.kinds()


def test_the_schema_has_the_fields_that_the_code_writes():
    written = {
        key.value
        for node in ast.walk(OUTBOX)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    outbox_item = {"pk", "sk", "detail", "expiresAt"}

    assert written - outbox_item == events.fields()


def test_the_document_has_the_types_of_the_schema():
    listed = {span(row[0]) for row in table(GUIDE, "type", "meaning")}

    assert listed == EXAMPLES.keys() == events.kinds()


def test_the_document_has_the_fields_of_the_schema():
    listed = {name for row in table(GUIDE, "field of `detail`") for name in spans(row[0])}

    assert listed == events.fields()


@each_type
def test_the_example_of_a_type_is_valid_and_nothing_else_is(kind):
    event = EXAMPLES[kind]
    events.check(event)

    detail = event["detail"]
    optional = {"formerUserId"} if kind == "user.updated" else set()
    for name in detail.keys() - optional:
        with pytest.raises(events.Invalid):
            events.check({**event, "detail": {key: detail[key] for key in detail if key != name}})
    for name in ("phone", "nickname", "reason", "roles", "sessions"):
        with pytest.raises(events.Invalid):
            events.check({**event, "detail": {**detail, name: "…"}})
    with pytest.raises(events.Invalid):
        events.check({**event, "detail-type": "user.renamed"})


@each_type
def test_a_field_of_one_type_is_refused_in_the_others(kind):
    allowed = {
        "formerUserId": {"user.merged", "user.updated"},
        "blockedUntil": {"user.blocked"},
    }
    for name, kinds in allowed.items():
        value = 1 if name == "blockedUntil" else "019aa6b5"
        event = {**EXAMPLES[kind], "detail": {**EXAMPLES[kind]["detail"], name: value}}
        if kind in kinds:
            events.check(event)
        else:
            with pytest.raises(events.Invalid):
                events.check(event)


@pytest.mark.parametrize("block", fenced(GUIDE, "yaml"), ids=lambda block: block.where)
def test_sam_accepts_the_documented_template(block, tmp_path):
    path, result = tmp_path / "template.yaml", tmp_path / "translated.json"
    text = re.sub("^(?=.)", "  ", block.text, flags=re.MULTILINE)
    path.write_text(f"Transform: AWS::Serverless-2016-10-31\nResources:\n{text}", "utf-8")

    result.write_text(json.dumps(translated(template=path)))

    assert lint(result, "us-east-1", "cn-north-1", "cn-northwest-1") == ""


def test_the_example_of_a_consumer_is_valid_in_every_region(tmp_path):
    path = tmp_path / "translated.json"
    given = {"Issuer": "https://login.example", "Audience": "wx1234567890abcdef"}
    path.write_text(json.dumps(translated(template=TEMPLATE, **given)))

    assert lint(path, "us-east-1", "ap-east-1", "cn-north-1", "cn-northwest-1") == ""


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        (PATTERNS["everything"], events.kinds()),
        (PATTERNS["erasures only"], {"user.erased"}),
        (PATTERNS["one mini program"], events.kinds()),
        (PATTERNS["each change of a userId"], {"user.merged", "user.updated"}),
        (PATTERNS["blocks without end"], set()),
        (rules()["Erased"], {"user.erased"}),
        (rules()["Moved"], {"user.merged", "user.updated"}),
    ],
)
def test_a_documented_pattern_matches(event_bus, pattern, matched):
    def matches(event):
        whole = {**EXAMPLES["user.registered"], **event}
        answer = event_bus.test_event_pattern(
            EventPattern=json.dumps(pattern), Event=json.dumps(whole)
        )
        return answer["Result"]

    assert {kind for kind, event in EXAMPLES.items() if matches(event)} == matched
    assert not any(matches({**each, "source": "another"}) for each in EXAMPLES.values())


def test_personal_identifiers_stay_as_long_as_documented():
    kept = {spans(row[0])[0]: row[1] for row in table(GUIDE, "place", "kept") if spans(row[0])}
    resources = written.template()["Resources"]
    publisher = resources["PublishEvents"]["Properties"]["Events"]["Outbox"]["Properties"]
    queue = resources["FailedEvents"]["Properties"]["MessageRetentionPeriod"]

    assert kept["EVENT#…"].startswith(f"{outbox.KEPT_SECONDS // 86_400} days")
    assert kept["FailedEvents"].startswith(f"{queue // 86_400} days")
    assert publisher["MaximumRecordAgeInSeconds"] == 6 * 3600
    assert "the stream repeats for six hours" in GUIDE.read_text("utf-8")
    assert f"returns the last {MOST_KEPT} as EventBridge" in GUIDE.read_text("utf-8")


def test_the_example_keeps_its_words():
    queue = template()["Resources"]["Undelivered"]["Properties"]["MessageRetentionPeriod"]
    reported = " ".join(CONSUMER[0].read_text("utf-8").split())
    shop = runpy.run_path(str(CODE / "orders.py"))

    assert queue == 7 * 86_400
    assert "is in the queue `Undelivered` for seven days" in reported
    assert f"The limit is {shop['SIGNED_LATE']} seconds late" in reported
    assert f"expires after {shop['KEPT_SECONDS'] // 86_400} days" in reported
    invoke = template()["Resources"]["FollowUsers"]["Properties"]["EventInvokeConfig"]
    assert invoke["MaximumRetryAttempts"] == 2
    assert "Lambda tries twice more" in reported


def test_the_source_in_the_schema_is_that_of_the_code():
    publisher = (LAYER / "accounts" / "publisher.py").read_text("utf-8")

    assert f'"{events.schema()["properties"]["source"]["const"]}"' in publisher


def test_the_document_names_the_parameters():
    assert {"Events", "EventBusName"} <= stack().parameters.keys()
    assert "`EventBusName` (`default`)" in GUIDE.read_text("utf-8")
    assert stack().parameters["EventBusName"] == "default"
