"""Template, READMEs, OpenAPI, events and docstrings have the same functions and routes."""

import ast
import json

import pytest
from openapi_spec_validator import validate

from stack.template import ROOT
from tests.support.written import (
    FUNCTIONS,
    READMES,
    module_of,
    modules,
    name_of,
    openapi,
    operations,
    routes,
    routes_of,
    sources,
    span,
    stack,
    table,
)

ROUTE_HEADERS = {"README.md": ("route", "function"), "README.zh-CN.md": ("路由", "函数")}
OTHER_HEADERS = {"README.md": ("function", "runs"), "README.zh-CN.md": ("函数", "何时运行")}
FILES = (ROOT / "events").glob("*.json")
EVENTS = {path.stem: json.loads(path.read_text("utf-8")) for path in FILES}
# An authorizer's event also has a route, that of its request.
OF_ROUTES = {
    name: event["routeKey"]
    for name, event in EVENTS.items()
    if "routeKey" in event and event.get("type") != "REQUEST"
}
DOCSTRINGS = {module: ast.get_docstring(tree) for module, tree in sources(FUNCTIONS).items()}

each_function = pytest.mark.parametrize("function", stack().functions)
each_readme = pytest.mark.parametrize("readme", READMES, ids=name_of)


def test_every_file_of_functions_is_deployed_under_its_own_name():
    named = {"".join(word.capitalize() for word in module.split("_")) for module in DOCSTRINGS}

    assert modules() == set(DOCSTRINGS)
    assert set(stack().functions) == named


@each_readme
def test_a_readme_lists_every_route_with_its_function(readme):
    rows = table(readme, *ROUTE_HEADERS[readme.name])

    assert {span(route): span(function) for route, function, *_ in rows} == routes()
    assert len(rows) == len(routes())


@each_readme
def test_a_readme_lists_every_function_without_a_route(readme):
    rows = table(readme, *OTHER_HEADERS[readme.name])

    assert {span(row[0]) for row in rows} == modules() - set(routes().values())


def test_the_openapi_file_is_valid():
    validate(openapi())


def test_the_openapi_file_has_every_route():
    assert set(operations()) == set(routes())


def test_an_operation_is_named_after_its_function():
    for route, operation in operations().items():
        assert operation["operationId"].startswith(routes()[route]), route


@each_function
def test_a_functions_description_is_the_first_line_of_its_docstring(function):
    first_line = DOCSTRINGS[module_of(function)].partition("\n")[0]

    assert stack().functions[function].description == first_line


@each_function
def test_a_description_begins_with_the_route(function):
    keys = routes_of(function)
    said, _, exchange = stack().functions[function].description.partition(": ")

    if len(keys) == 1:
        assert said == keys[0]
        assert operations()[said]["summary"].lower() == exchange.lower()
    for key in keys:
        method, path = key.split()
        assert method in said
        assert said.split()[-1].rstrip("…") in path


def test_every_route_has_one_event_named_after_its_function():
    assert sorted(OF_ROUTES.values()) == sorted(routes())
    for name, route in OF_ROUTES.items():
        assert name.startswith(routes()[route]), name


def test_every_function_without_a_route_has_an_event_of_its_name():
    assert EVENTS.keys() - OF_ROUTES.keys() == modules() - set(routes().values())
