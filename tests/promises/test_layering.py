"""The allowed imports between modules, and imports without side effects."""

import ast
import importlib
import os
import sys
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from stack.template import ROOT
from tests.support.written import FUNCTIONS, LAYER, run, sources, stack

HANDLERS = sources(FUNCTIONS)
MODULES = sources(LAYER)
LONGEST_HANDLER = 20
FOR_THE_STANDARD_LIBRARY = {"collections", "typing", "re"}

each_handler = pytest.mark.parametrize("module", HANDLERS)


def test_the_import_contracts_hold():
    ran = run([Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"], cwd=ROOT)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@each_handler
def test_a_function_imports_the_layer_and_nothing_else(module):
    packages = {name.partition(".")[0] for name in imported(HANDLERS[module])}

    assert packages <= {"wechat_login", *FOR_THE_STANDARD_LIBRARY}


@each_handler
def test_a_function_knows_only_the_edge_the_wiring_and_the_errors(module):
    ours = {name for name in imported(HANDLERS[module]) if name.startswith("wechat_login")}

    assert ours <= {f"wechat_login.{name}" for name in ("api", "errors", "wiring")}


@each_handler
def test_a_handler_is_a_paragraph(module):
    handler = next(each for each in HANDLERS[module].body if getattr(each, "name", "") == "handler")
    lines = handler.end_lineno - handler.decorator_list[0].lineno + 1

    assert lines <= LONGEST_HANDLER
    assert not [each for each in ast.walk(HANDLERS[module]) if isinstance(each, ast.Try)]


@pytest.mark.parametrize(
    ("package", "importers"),
    [
        ("boto3", set()),
        ("botocore", {"wiring", "storage.aws", "storage.table"}),
        ("os", {"wiring"}),
        ("local", set()),
    ],
)
def test_few_modules_of_the_layer_know(package, importers):
    found = {
        module
        for module, tree in MODULES.items()
        if package in {name.partition(".")[0] for name in imported(tree)}
    }

    assert found == importers


def test_only_settings_knows_what_the_templates_variables_are_called():
    variables = {name for each in stack().functions.values() for name in each.environment}
    knowing = {
        module
        for module, tree in {**HANDLERS, **MODULES}.items()
        for each in ast.walk(tree)
        if isinstance(each, ast.Constant) and each.value in variables
    }

    assert knowing == {"settings"}


def test_the_layer_says_that_it_is_typed():
    assert (LAYER / "py.typed").is_file()


def test_every_module_has_a_docstring():
    for module, tree in {**HANDLERS, **MODULES}.items():
        assert ast.get_docstring(tree), module


def test_every_module_can_be_imported_with_an_empty_environment():
    of_layer = [f"wechat_login.{module}" for module in MODULES if "__init__" not in module]
    names = [*of_layer, *HANDLERS]
    script = f"""
import importlib, sys
sys.path[:0] = {[str(LAYER.parent), str(FUNCTIONS)]!r}
for name in {names!r}:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(name, repr(error))
"""
    # Windows cannot start a process without it.
    least = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}

    ran = run([sys.executable, "-c", script], env=least)

    assert (ran.stdout, ran.returncode) == ("", 0), ran.stderr


def test_no_class_of_the_layer_shows_its_fields():
    """A traceback or a log line would show them too, and some are secrets."""
    names = [f"wechat_login.{name}" for name in MODULES if not name.startswith("_")]
    found = [each for name in names for each in vars(importlib.import_module(name)).values()]
    classes = {each for each in found if isinstance(each, type) and is_dataclass(each)}
    shown = {each.__qualname__ for each in classes if each.__repr__ is not object.__repr__}

    assert len(classes) > 20
    assert not shown


def imported(tree):
    """Return the modules that a module imports at run time."""
    for_types = {
        id(inner)
        for each in ast.walk(tree)
        if isinstance(each, ast.If) and "TYPE_CHECKING" in ast.unparse(each.test)
        for inner in ast.walk(each)
    }
    found = set()
    for each in ast.walk(tree):
        if id(each) in for_types:
            continue
        if isinstance(each, ast.Import):
            found |= {alias.name for alias in each.names}
        elif isinstance(each, ast.ImportFrom):
            below = {f"{each.module}.{alias.name}" for alias in each.names}
            found |= below if each.module == "wechat_login" else {each.module}
    return found
