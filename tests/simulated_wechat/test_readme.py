"""The two READMEs of the simulated WeChat name all there is, and the same."""

import re
import subprocess
import sys

import pytest
import requests

from simulated_wechat.rules import APIS
from simulated_wechat.wechat import BUILT_IN
from stack.template import ROOT

FOLDER = ROOT / "simulated_wechat"
READMES = [FOLDER / "README.md", FOLDER / "README.zh-CN.md"]

each_readme = pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)


def rows(readme, containing):
    """Return the first cells of the table whose first row contains a text."""
    tables = re.findall(r"(?:^\|.*\n)+", readme.read_text("utf-8"), re.MULTILINE)
    (table,) = (each for each in tables if containing in each)
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]]


def spans(cell):
    return re.findall(r"`([^`]+)`", cell)


@each_readme
def test_it_names_each_control_route(server, readme):
    listed = requests.get(f"{server.url}/simulated", timeout=5).json()
    named = set()
    for row in rows(readme, "/simulated/wx.login"):
        *methods, last = spans(row)
        method, path = last.split()
        named |= {f"{each} {path}" for each in (*methods, method)}

    assert named == listed.keys() - {"GET /", "GET /simulated"}


@each_readme
def test_it_names_each_rule(server, readme):
    listed = requests.get(f"{server.url}/simulated/rules", timeout=5).json()
    named = {name for row in rows(readme, "`unionids`") for name in spans(row)}

    assert named == listed.keys() - {"appid"} | {"appSecret"}


@each_readme
def test_it_names_each_option(readme):
    command = [sys.executable, "-m", "simulated_wechat", "--help"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    named = {name for row in rows(readme, "--port 3001") for name in re.findall(r"--[a-z-]+", row)}

    assert named == set(re.findall(r"--[a-z-]+", printed.stdout)) - {"--help"}


@each_readme
def test_it_names_the_built_in_mini_programs(readme):
    text = readme.read_text("utf-8")
    for appid, app_secret in BUILT_IN.items():
        assert f"| `{appid}` | `{app_secret}` |" in text


@each_readme
def test_it_names_each_api(readme):
    text = readme.read_text("utf-8")
    for path in APIS:
        name = path.removeprefix("/cgi-bin/").removeprefix("/wxa/").removeprefix("/")
        assert name.rpartition("/")[2] in text, path


def test_both_languages_have_the_same_commands():
    blocks = [re.findall(r"```\w+\n.*?```", each.read_text("utf-8"), re.DOTALL) for each in READMES]

    assert blocks[0] == blocks[1]
