"""Functions that share one process have to agree on their environment."""

import pytest

from local.deployment import environment_of
from stack.errors import BrokenTemplate
from stack.template import Function, Stack


def stack(*environments):
    functions = {
        name: Function(name, name, "arn", "m.handler", "", environment, 1, 128, ())
        for name, environment in zip("AB", environments, strict=True)
    }
    return Stack("s", {}, functions, (), {}, (), ())


def test_the_environment_is_the_union_of_all():
    both = stack({"SHARED": "1", "A": "a"}, {"SHARED": "1", "B": "b"})

    assert environment_of(both) == {"SHARED": "1", "A": "a", "B": "b"}


def test_two_values_for_one_variable_are_reported_in_one_line():
    with pytest.raises(BrokenTemplate, match="B sets SHARED to '2' and another function to '1'"):
        environment_of(stack({"SHARED": "1"}, {"SHARED": "2"}))
