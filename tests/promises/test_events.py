"""Each event is invoked in its function's own environment, and answered as documented."""

import copy
import json
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from local.invoke import PERSON, fresh
from stack.template import ROOT
from tests.support.written import modules, openapi, routes, stack
from wechat_login import wiring

# The answer of each function without a route to its event.
ANSWERS: dict[str, Callable[[Any, Any], bool]] = {
    "end_sessions": lambda _, answer: answer == {"found": 1},
    "erase_user": lambda _, answer: answer == {"erased": 1},
    "find_user": lambda event, answer: (
        [each["openid"] for each in answer["users"]] == [event["openid"]]
    ),
    "list_users": lambda _, answer: (
        len(answer["users"]) == 1 and answer["next"] is None and answer["readUnits"] > 0
    ),
    "merge_users": lambda _, answer: (answer["merged"], answer["dryRun"]) == ([], True),
    "publish_events": lambda _, answer: answer == {"batchItemFailures": []},
    "renew_access_token": lambda _, answer: (
        answer.keys() == {"validSeconds"}
        and all(0 < each <= 7200 for each in answer["validSeconds"].values())
    ),
    "rotate_signing_keys": lambda _, answer: answer == {"signing_keys": 1, "public_keys": 1},
    "update_user": lambda event, answer: (
        [each["roles"] for each in answer["users"]] == [event["roles"]]
    ),
}
EVENTS = sorted((ROOT / "events").glob("*.json"))


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_an_event_is_answered_as_documented(path, deployed_with):
    backend = deployed_with(Events="true")
    running: Any = SimpleNamespace(wechat=backend.wechat, api=backend)
    backend.person(PERSON).register()
    event = fresh(path.read_text("utf-8"), running)
    module = module_for(path.stem, event)

    answer = alone(backend, module)(event)

    if event.get("routeKey") in routes() and event.get("type") != "REQUEST":
        assert answer["statusCode"] == 200, answer["body"]
        check_body(event["routeKey"], answer)
    elif event.get("type") == "REQUEST":
        assert answer["isAuthorized"] is True
    else:
        assert ANSWERS[module](event, answer), answer


def test_every_function_has_an_event():
    answered = {module_for(path.stem, json.loads(path.read_text("utf-8"))) for path in EVENTS}

    assert answered == modules()


def module_for(name, event):
    """Return the function of an event: by its route, else by its name."""
    if event.get("routeKey") in routes() and event.get("type") != "REQUEST":
        return routes()[event["routeKey"]]
    named = [module for module in modules() if name.startswith(module)]
    assert named, f"events/{name}.json is named after no function"
    return max(named, key=len)


def alone(backend, module):
    """Invoke a function in the environment that Lambda gives it, without the other functions'."""
    function = next(
        each for each in stack().functions.values() if each.handler.partition(".")[0] == module
    )

    def invoke(event):
        others = {
            name: os.environ.pop(name)
            for name in list(os.environ)
            if name.endswith("_PARAMETER") and name not in function.environment
        }
        wiring.reset()
        try:
            return backend.deployment.invoke(module, event)
        finally:
            os.environ.update(others)
            wiring.reset()

    return invoke


def check_body(route, answer):
    method, path = route.split()
    content = openapi()["paths"][path][method.lower()]["responses"]["200"]["content"]
    kind = answer["headers"]["content-type"].partition(";")[0]
    pointer = "/".join(
        ["#/paths", escaped(path), method.lower(), "responses/200/content", escaped(kind), "schema"]
    )
    assert kind in content
    body = json.loads(answer["body"]) if kind == "application/json" else answer["body"]

    checked = jsonschema.Draft202012Validator({**closed(openapi()), "$ref": pointer})

    # The place and the rule, but not the values: one of them is a session.
    assert [(list(each.path), each.validator) for each in checked.iter_errors(body)] == []


def closed(document):
    """Return the document with schemas that allow nothing beyond what they name."""
    document = copy.deepcopy(document)
    for each in nodes(document):
        if isinstance(each, dict) and "properties" in each and {"allOf", "type"} & set(each):
            each["unevaluatedProperties"] = False
    # A part of a schema that is closed itself.
    document["components"]["schemas"]["Success"].pop("unevaluatedProperties")
    return document


def nodes(tree):
    yield tree
    for each in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []:
        yield from nodes(each)


def escaped(step):
    return step.replace("~", "~0").replace("/", "~1")
