"""Fuzz: a function answers any JSON event with a documented answer or a documented error.

The events are changed samples of `events/`, requests with a valid session and any body, and JSON of
any shape: nothing that a caller sends may be a bug of ours, or an alarm for the operators.
"""

import copy
import json
import os
import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.functions import FunctionError
from local.invoke import PERSON, fresh
from stack.template import ROOT
from tests.support.written import module_of, openapi, routes, stack
from wechat_login.errors import LoginError

# `make attack` tries more, other ones each time.
MORE = os.environ.get("EXAMPLES")
EXAMPLES = int(MORE or 50)
# A new signing key takes as long as a hundred events.
SLOW = {"rotate_signing_keys": 10}
# For the operators alone: a caller must not be able to cause them.
NEVER = {"internal", "misconfigured"}
# Keys that functions read, so that values meet the code behind them.
KEYS = re.findall(
    r"\S+",
    """appid openid unionid userId userIds phone blocked endsAt reason roles registered limit
    next by dryRun now code encryptedData iv receipt everywhere nickname avatarUrl headers
    body http sourceIp requestContext domainName requestId authorizer lambda pathParameters id
    queryStringParameters isBase64Encoded routeKey version authorization content-type referer
    signature msg_signature timestamp nonce echostr Records dynamodb NewImage OldImage
    eventName detail""",
)
ODD = [
    "",
    " ",
    "\0",
    "\ud800",
    "😀" * 40,
    "x" * 3000,
    "²",
    "१",
    "null",
    "{}",
    "[",
    "e30=",
    "-1",
    "1e9",
]
LIKELY = ["+8613800138000", "POST /login", "GET /wechat/events", "application/json", "Bearer a.b.c"]
LIKELY += ["wx1234567890abcdef", "WyJhIiwgImIiXQ==", "::1", "::::", "\u202e", "ox.y", "USER#a"]
TEXTS = st.one_of(st.sampled_from(ODD + LIKELY), st.text(max_size=40))
NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 10**400, 2**63]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)


def containers(inside):
    keys = st.one_of(st.sampled_from(KEYS), TEXTS)
    return st.one_of(st.lists(inside, max_size=4), st.dictionaries(keys, inside, max_size=5))


JSON = st.recursive(LEAVES, containers, max_leaves=12)


@st.composite
def changed(draw, sample):
    """Change some values of an event, anywhere in it."""
    event = copy.deepcopy(sample)
    for _ in range(draw(st.integers(1, 3))):
        node = event
        for _ in range(draw(st.integers(0, 4))):
            below = [each for each in node.values() if isinstance(each, dict) and each]
            if not below:
                break
            node = draw(st.sampled_from(below))
        key = draw(st.one_of(st.sampled_from(sorted(node) or KEYS), st.sampled_from(KEYS)))
        if draw(st.booleans()) or key not in node:
            node[key] = draw(JSON)
        else:
            del node[key]
    return event


@st.composite
def requested(draw, sample):
    """Send another body, as JSON or as any text."""
    body = draw(st.one_of(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4), JSON))
    text = draw(st.one_of(st.just(json.dumps(body)), TEXTS))
    return {**sample, "body": text, "isBase64Encoded": draw(st.sampled_from([False, False, True]))}


def events_of(samples):
    one = st.sampled_from(samples)
    return st.one_of(JSON, one.flatmap(changed), one.flatmap(requested))


@pytest.mark.parametrize("module", sorted(module_of(each) for each in stack().functions))
def test_any_event_is_answered_as_documented(module, deployed_with):
    backend = deployed_with(Events="true")
    backend.person(PERSON).register()
    running: Any = SimpleNamespace(wechat=backend.wechat, api=backend)
    samples = [
        fresh(path.read_text("utf-8"), running)
        for path in sorted((ROOT / "events").glob(f"{module}*.json"))
    ]
    assert samples

    @given(events_of(samples))
    @settings(
        max_examples=SLOW.get(module, EXAMPLES),
        suppress_health_check=list(HealthCheck),
        derandomize=not MORE,
    )
    def answers(event):
        try:
            answer = backend.deployment.invoke(module, event)
        except FunctionError as failure:
            error = failure.__cause__
            assert isinstance(error, LoginError), error
            assert error.code not in NEVER, error.facts
        else:
            check(module, event, answer)

    answers()


def check(module, event, answer):
    keys = [key for key, served_by in routes().items() if served_by == module]
    if not keys:
        assert isinstance(answer, dict)
        return
    documented = {
        status
        for key in keys
        for method, path in [key.split()]
        for status in openapi()["paths"][path][method.lower()]["responses"]
    }
    body = answer["body"]
    code = json.loads(body)["error"]["code"] if answer["statusCode"] != 200 else None
    assert str(answer["statusCode"]) in documented, (event, answer)
    assert code not in NEVER, (event, answer)
