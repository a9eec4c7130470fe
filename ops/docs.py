"""Writes the tables that documents share with the code: `make docs`.

A line `<!-- make docs: errors -->` above a Markdown table names the source of its first columns.
People write the other columns, which stay with their row; a new row has `…` there at first. In
docs/openapi.yaml the error codes and the example of each error are written.
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml

from stack.cloudformation import FUNCTION, load_template
from stack.template import ROOT, TEMPLATE, read_stack
from wechat_login import errors
from wechat_login.invocation import unit_of
from wechat_login.settings import PARAMETERS, Settings

FUNCTIONS = ROOT / "functions"
OPENAPI = ROOT / "docs" / "openapi.yaml"
TO_WRITE = "…"
Rows = list[tuple[str, ...]]

_TABLE = re.compile(r"<!-- make docs: (\w+) -->\n(\|.*\n\|[ -|]*\n)((?:\|.*\n)*)")
_ENUM = re.compile(r"(    ErrorCode:\n(?:.*\n){2}      enum:\n)(?:        - .*\n)+")
# The options with which functions exist, and read more.
_EVERYTHING = {"WeChatAppId": "wx1234567890abcdef", "CheckContent": "true", "Events": "true"}
_REQUEST_ID = "UGkQ4h5nSQ0EJkA="
# Its message depends on the fault, so its example is written by hand.
_BY_HAND = errors.BadRequest.code


def error_classes() -> Mapping[str, type[errors.LoginError]]:
    """Return each error that a caller can see, by its code."""
    return {
        each.code: each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.LoginError) and "code" in vars(each)
    }


def error_rows() -> Rows:
    return [(_code(code), str(each.status)) for code, each in error_classes().items()]


def setting_rows() -> Rows:
    """Return parameter, variable, field and default of each parameter of the template."""
    template, fields = load_template(TEMPLATE), _fields()
    variables = {
        value["Ref"]: name for name, value in _environment(template) if set(value) == {"Ref"}
    }
    rows: Rows = []
    for parameter, declared in template["Parameters"].items():
        variable = variables.get(parameter, "")
        default = str(declared.get("Default", ""))
        rows.append(tuple(map(_code, (parameter, variable, fields.get(variable, ""), default))))
    return rows


def secret_rows() -> Rows:
    """Return parameter, variable and readers of each secret."""
    functions = read_stack(_EVERYTHING).functions.values()
    rows: Rows = []
    for variable, name in PARAMETERS.items():
        modules = (
            each.handler.partition(".")[0] for each in functions if variable in each.environment
        )
        rows.append((_code(name), _code(variable), ", ".join(map(_code, sorted(modules)))))
    return rows


def route_rows() -> Rows:
    stack = read_stack(_EVERYTHING)
    modules = {name: each.handler.partition(".")[0] for name, each in stack.functions.items()}
    return [(_code(route.key), _code(modules[route.function])) for route in stack.routes]


def metric_rows() -> Rows:
    """Return name, dimensions and unit of each metric that the functions and the layer write."""
    dimensions: dict[str, str] = {}
    for call in _calls(*(ROOT / "layers" / "wechat_login").rglob("*.py"), *FUNCTIONS.glob("*.py")):
        named = [each.arg for each in call.keywords if each.arg]
        # `count(Logins=1)`, `_flush({"route": route}, Requests=1)`
        match ast.unparse(call.func).rpartition(".")[2], call.args:
            case "_flush", [ast.Dict(keys=keys)]:
                written = ", ".join(
                    _code(str(each.value)) for each in keys if isinstance(each, ast.Constant)
                )
                dimensions |= dict.fromkeys(named, written)
            case "count" | "_count", []:
                dimensions |= dict.fromkeys(named, "")
    return [(_code(name), by, unit_of(name).value) for name, by in dimensions.items()]


SOURCES: Mapping[str, Callable[[], Rows]] = {
    "errors": error_rows,
    "settings": setting_rows,
    "secrets": secret_rows,
    "routes": route_rows,
    "metrics": metric_rows,
}


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def markdown(text: str) -> str:
    """Return a document with new generated columns in its tables."""
    return _TABLE.sub(_table, text)


def openapi(text: str) -> str:
    """Return the OpenAPI file with the code and the example of each error."""
    codes = _in_order(_enum(text), list(error_classes()))
    lines = "".join(f"        - {code}\n" for code in codes)
    text = _ENUM.sub(rf"\g<1>{lines}", text)
    previous = _BY_HAND
    for code, error in error_classes().items():
        found = _example(code).search(text)
        shown = yaml.safe_load(found[0])[code]["value"]["error"] if found else {}
        if found and code != _BY_HAND and shown.get("message") != error.message:
            text = text.replace(found[0], _block(code, error.message))
        elif not found:
            before = _example(previous).search(text)
            end = before.end() if before else len(text)
            text = text[:end] + _block(code, error.message) + text[end:]
        previous = code
    return text


def stale() -> Iterator[tuple[Path, str]]:
    """Yield each stale document, with its new text."""
    for path in [*documents(), OPENAPI]:
        text = path.read_text("utf-8")
        new = openapi(text) if path == OPENAPI else markdown(text)
        if new != text:
            yield path, new


def _table(found: re.Match[str]) -> str:
    source, head, body = found.groups()
    wanted = {row[0]: row for row in SOURCES[source]()}
    columns = len(_cells(head.splitlines()[0]))
    written = {cells[0]: cells for cells in map(_cells, body.splitlines())}
    lines = []
    for key in _in_order(list(written), list(wanted)):
        row = wanted[key]
        prose = written[key][len(row) :] if key in written else [TO_WRITE] * (columns - len(row))
        lines.append(
            "|" + "|".join(f" {cell} " if cell else " " for cell in (*row, *prose)) + "|\n"
        )
    return f"<!-- make docs: {source} -->\n{head}{''.join(lines)}"


def _in_order(written: list[str], wanted: list[str]) -> list[str]:
    """Return the wanted keys in the written order; a new key comes after its predecessor."""
    order = [each for each in written if each in wanted]
    for at, each in enumerate(wanted):
        if each not in order:
            order.insert(order.index(wanted[at - 1]) + 1 if at else 0, each)
    return order


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _environment(template: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each variable whose value in the template is not a constant."""
    resources: Mapping[str, dict[str, object]] = template["Resources"]  # type: ignore[assignment]  # read from YAML
    places: list[object] = [template["Globals"]["Function"]]  # type: ignore[index]  # read from YAML
    places += [each["Properties"] for each in resources.values() if each["Type"] == FUNCTION]
    for place in places:
        variables = place.get("Environment", {}).get("Variables", {})  # type: ignore[attr-defined]  # read from YAML
        yield from ((name, value) for name, value in variables.items() if isinstance(value, dict))


def _calls(*modules: Path) -> Iterator[ast.Call]:
    for path in sorted(modules):
        tree = ast.parse(path.read_text("utf-8"))
        yield from (each for each in ast.walk(tree) if isinstance(each, ast.Call))


def _fields() -> dict[str, str]:
    """Return the field of `Settings` that is read from each variable first."""
    source = textwrap.dedent(inspect.getsource(Settings.from_environment))
    (call,) = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Call)
    ]
    names = {}
    for keyword in call.keywords:
        constants = [each.value for each in ast.walk(keyword) if isinstance(each, ast.Constant)]
        first = next((each for each in constants if re.fullmatch(r"[A-Z_]+", str(each))), None)
        names[str(first)] = str(keyword.arg)
    return names


def _enum(text: str) -> list[str]:
    enum: list[str] = yaml.safe_load(text)["components"]["schemas"]["ErrorCode"]["enum"]
    return enum


def _example(code: str) -> re.Pattern[str]:
    return re.compile(rf"^    {code}:\n(?:      .*\n)+", re.MULTILINE)


def _block(code: str, message: str) -> str:
    return (
        f"    {code}:\n      value:\n        success: false\n        error:\n"
        f"          code: {code}\n"
        f"          message: {json.dumps(message) if ': ' in message else message}\n"
        f"          requestId: {_REQUEST_ID}\n"
    )


def main() -> None:
    """Write every stale document, and print its name."""
    for path, text in stale():
        path.write_text(text, "utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
