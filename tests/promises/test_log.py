"""Every log field, log message and metric has its row in docs/operate.md, and each row is true."""

import ast
import json
import re
import sys

from stack.template import ROOT
from tests.support.written import FUNCTIONS, LAYER, run, sources, span, spans, table

OPERATE = ROOT / "docs" / "operate.md"
FIELDS = {name for row in table(OPERATE, "field", "meaning") for name in spans(row[0])}
MESSAGES = {span(row[0]) for row in table(OPERATE, "message", "meaning")}
METRICS = {
    (span(metric), frozenset(spans(dimensions)), unit)
    for metric, dimensions, unit, _ in table(OPERATE, "metric", "dimensions", "unit")
}
TREES = [*sources(LAYER).values(), *sources(FUNCTIONS).values()]
# One invocation of each kind, with a call of WeChat's API, that counts the given metrics.
SCRIPT = """
from wechat_login.api import count, endpoint, Reply
from wechat_login.errors import Misconfigured
from wechat_login.invocation import note_wechat_call
class Context:
    def get_remaining_time_in_millis(self):
        return 1000
def good(request):
    note_wechat_call("/sns/jscode2session", 0, 1.0)
    count(**dict.fromkeys(sys.argv[1:], 1))
    return Reply(None)
def refused(request):
    raise Misconfigured
def broken(request):
    raise KeyError
for handle in (good, refused, broken):
    endpoint(handle)({"routeKey": "GET /"}, Context())
"""


def lines():
    script = f"import sys; sys.path.insert(0, {str(LAYER.parent)!r})\n{SCRIPT}"
    ran = run(
        [sys.executable, "-c", script, *sorted(name for name, by, _ in METRICS if not by)],
        env={"POWERTOOLS_SERVICE_NAME": "wechat-login"},
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_every_metric_is_documented_as_it_is_written():
    written = {
        (metric["Name"], frozenset(dimensions) - {"service"}, metric["Unit"])
        for line in lines()
        if "_aws" in line
        for directive in line["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    }

    assert written == METRICS


def test_every_field_that_the_edge_writes_is_documented():
    requests = [line["request"] for line in lines() if line.get("message") == "request"]
    written = {name for request in requests for name in request}

    assert {"route", "status", "ms", "code", "bug", "where", "wechat", "counts"} <= written
    assert written <= FIELDS


def test_every_fact_that_is_noted_or_raised_is_documented():
    assert {*noted(), *raised()} <= FIELDS


def test_every_documented_field_is_written_somewhere():
    known = {
        each.value for tree in TREES for each in ast.walk(tree) if isinstance(each, ast.Constant)
    } | {each.arg for tree in TREES for each in ast.walk(tree) if isinstance(each, ast.keyword)}

    assert known >= FIELDS


def test_every_message_is_documented():
    written = {
        call.args[0].value
        for call in calls()
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "log"
    }

    assert written == MESSAGES


def calls():
    return [each for tree in TREES for each in ast.walk(tree) if isinstance(each, ast.Call)]


def noted():
    """Return the facts that handlers add to their log line."""
    found = [call for call in calls() if re.fullmatch(r"(\w+\.)?_?note", ast.unparse(call.func))]
    return {keyword.arg for call in found for keyword in call.keywords if keyword.arg}


def raised():
    """Return the facts that errors add to the log line."""
    returned = {"retry_after", "receipt"}
    return {
        keyword.arg
        for tree in TREES
        for each in ast.walk(tree)
        if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call)
        for keyword in each.exc.keywords
        if keyword.arg and keyword.arg not in returned
    }
