"""Every setting has a parameter, a variable, a field and a row in docs/operate.md."""

from collections.abc import Mapping

import pytest

from stack.template import ROOT, read_stack
from tests.support.written import APPID, module_of, span, spans, stack, table, template
from wechat_login.settings import PARAMETERS, Settings
from wechat_login.wechat.transport import ACCESS_POINT

OPERATE = ROOT / "docs" / "operate.md"
DECIDED = table(OPERATE, "parameter", "variable", "field", "default")
BY_ITSELF = table(OPERATE, "variable", "field", "value")
FOR_TESTS = table(OPERATE, "variable", "field", "default")
SECRETS = table(OPERATE, "parameter", "variable", "read by")
# Powertools reads these by itself:
# https://docs.aws.amazon.com/powertools/python/latest/#environment-variables
POWERTOOLS = {"POWERTOOLS_SERVICE_NAME"}
LEAST = {"WECHAT_APPID": "wx1234567890abcdef", "TABLE": "some-table"}


class Watched(Mapping):
    """An environment that records look-ups."""

    def __init__(self, variables):
        self._variables = variables
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return self._variables[name]

    def __iter__(self):
        return iter(self._variables)

    def __len__(self):
        return len(self._variables)


def environment():
    """Merge the functions' environments in the template."""
    union: dict[str, str] = {}
    for function in stack().functions.values():
        union |= function.environment
    return union


def read():
    watched = Watched(LEAST)
    Settings.from_environment(watched)
    return watched.read


def test_every_variable_that_the_template_sets_is_read():
    assert environment().keys() - POWERTOOLS <= read()


def test_every_variable_that_is_read_is_set_by_the_template_or_documented_as_for_the_tests():
    assert read() == (environment().keys() - POWERTOOLS) | {span(row[0]) for row in FOR_TESTS}


def test_every_parameter_has_its_row_and_its_default():
    documented = {span(parameter): span(default) or "" for parameter, _, _, default, _ in DECIDED}
    without = {"WeChatAppId": ""}

    assert documented == {**read_stack(APPID).parameters, **without}


def test_the_document_has_the_defaults_of_parameters_that_only_tests_set():
    in_code = Settings.from_environment(LEAST)

    assert {span(row[1]): span(row[2]) for row in FOR_TESTS} == {
        span(row[1]): text_of(getattr(in_code, span(row[1]))) for row in FOR_TESTS
    }
    assert environment().keys().isdisjoint(span(row[0]) for row in FOR_TESTS)


def test_every_variable_has_its_row():
    cells = [row[1] for row in [*DECIDED, *SECRETS]] + [row[0] for row in BY_ITSELF]
    variables = [name for name in map(span, cells) if name]

    assert sorted(variables) == sorted(environment().keys() | PARAMETERS.keys())


def test_every_field_has_its_row():
    documented = [span(row[2]) for row in DECIDED]
    documented += [span(row[1]) for row in [*BY_ITSELF, *FOR_TESTS]]
    known = [name for name in Settings._fields if name != "parameter_names"]

    assert sorted(name for name in documented if name) == sorted(known)


@pytest.mark.parametrize("row", DECIDED, ids=lambda row: row[0].strip("`"))
def test_a_parameter_reaches_its_variable_and_its_field(row):
    parameter, variable, field = (span(cell) for cell in row[:3])
    if variable is None:
        assert field is None
        return
    value = "wxfedcba0987654321" if parameter == "WeChatAppId" else stack().parameters[parameter]

    assert environment()[variable] == stack().parameters[parameter]
    if field is not None:
        chosen = Settings.from_environment({**LEAST, variable: value})
        assert text_of(getattr(chosen, field)) == value


def test_the_template_and_the_code_have_the_same_defaults():
    in_code = Settings.from_environment(LEAST)
    environment = read_stack(APPID).functions["Login"].environment
    in_template = Settings.from_environment({**environment, **LEAST})

    same = in_template.parameter_names
    assert in_code._replace(parameter_names=same) == in_template


def test_every_secret_has_its_row():
    assert {span(variable): span(parameter) for parameter, variable, *_ in SECRETS} == PARAMETERS


def test_the_document_says_which_function_may_read_a_secret():
    said = {span(row[1]): set(spans(row[2])) for row in SECRETS}
    functions = read_stack({**APPID, "CheckContent": "true"}).functions

    assert said == {
        variable: {
            module_of(logical_id)
            for logical_id, function in functions.items()
            if variable in function.environment
        }
        for variable in PARAMETERS
    }


def text_of(value):
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_template_and_the_client_take_the_same_access_points():
    parameter = template()["Parameters"]["WeChatUrl"]

    assert parameter["AllowedPattern"] == f"^({ACCESS_POINT.pattern})$"
