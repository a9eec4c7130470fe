"""Reads documents, template, OpenAPI file and source, for the promises to compare."""

import ast
import re
import subprocess
from dataclasses import dataclass
from functools import cache

import yaml

from stack.cloudformation import FUNCTION, Values, load_template
from stack.template import ROOT, TEMPLATE, read_stack

LAYER = ROOT / "layers" / "wechat_login"
FUNCTIONS = ROOT / "functions"
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
EXAMPLE = ROOT / "examples" / "mini-program" / "README.md"
CONSUMER = [ROOT / "examples" / "consumer" / name for name in ("README.md", "README.zh-CN.md")]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "simulated_wechat").glob("*.md"),
        *CONSUMER,
        EXAMPLE,
    ]
)
# The required parameters of a deployment, and those with which it has every function, variable
# and permission.
APPID = {"WeChatAppId": "wx1234567890abcdef"}
ALL_OPTIONS = {**APPID, "CheckContent": "true", "Events": "true"}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    language: str
    text: str
    where: str


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def fenced(document, *languages):
    text = document.read_text("utf-8")
    blocks = [
        Block(found[1], found[2], f"{name_of(document)}:{text[: found.start()].count(chr(10)) + 1}")
        for found in _FENCE.finditer(text)
    ]
    return [block for block in blocks if not languages or block.language in languages]


def prose(document):
    """Return a document's text without its fenced blocks."""
    return _FENCE.sub("", document.read_text("utf-8"))


def headings(document):
    return re.findall(r"^(#+) (.+)$", prose(document), re.MULTILINE)


def tables(document):
    """Return every table as rows, each a list of cells; the first row is the header."""
    found = re.findall(r"(?:^\|.*\|\n?)+", prose(document), re.MULTILINE)
    return [[_cells(line) for line in each.splitlines() if "| --- |" not in line] for each in found]


def table(document, *header):
    """Return the rows below the one header that begins with these cells."""
    found = [rows[1:] for rows in tables(document) if tuple(rows[0][: len(header)]) == header]
    assert found, f"{name_of(document)} has no table that begins with {header}"
    return [row for rows in found for row in rows]


def spans(cell):
    """Return the texts in backticks."""
    return _SPAN.findall(cell)


def span(cell):
    """Return the only text in backticks, or None in an empty cell."""
    found = spans(cell)
    assert len(found) < 2, cell
    return found[0] if found else None


def steps(block):
    """Give what happens between whom in a mermaid diagram, without the words."""
    return re.findall(
        r"^ *(\w+-?->>\w+|Note over \w+|opt|alt|else|end|\w+ [|}{o-]+ \w+)",
        block.text,
        re.MULTILINE,
    )


@cache
def template():
    return load_template(TEMPLATE)


@cache
def stack():
    return read_stack(ALL_OPTIONS)


def resolved(value):
    """Return a value of the template with its references filled in."""
    return Values(template(), stack().parameters).resolve(value)


def function_resources():
    """Return the properties of each function, as they are written."""
    resources = template()["Resources"].items()
    return {name: each["Properties"] for name, each in resources if each["Type"] == FUNCTION}


def module_of(logical_id):
    return stack().functions[logical_id].handler.partition(".")[0]


def modules():
    return {module_of(logical_id) for logical_id in stack().functions}


def routes():
    """Return each route with the module that serves it."""
    return {route.key: module_of(route.function) for route in stack().routes}


def routes_of(logical_id):
    return [route.key for route in stack().routes if route.function == logical_id]


@cache
def openapi():
    return yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text("utf-8"))


def operations():
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi()["paths"].items()
        for method, operation in methods.items()
    }


def referred(node):
    """Follow an OpenAPI `$ref`, if it is one."""
    while isinstance(node, dict) and "$ref" in node:
        place = openapi()
        for step in node["$ref"].removeprefix("#/").split("/"):
            place = place[step.replace("~1", "/")]
        node = place
    return node


@cache
def sources(folder):
    """Return the syntax tree of each module below a folder, such as `storage.table`."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): ast.parse(path.read_text("utf-8"))
        for path in sorted(folder.rglob("*.py"))
    }


def run(command, **how):
    """Run a program to its end, and return its output."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **how)


def _cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
