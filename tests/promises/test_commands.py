"""Every command that a document shows can be run, and every make target is shown somewhere."""

import ast
import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from local.http_server import free_port
from stack.cloudformation import load_template
from stack.parameters import parse_parameters
from stack.template import ROOT, read_stack
from tests.support.written import (
    APPID,
    DOCUMENTS,
    READMES,
    fenced,
    module_of,
    name_of,
    run,
    spans,
    stack,
)

SHELL = [block for each in DOCUMENTS for block in fenced(each, "sh")]
LANGUAGES = {"sh", "powershell", "python", "json", "yaml", "mermaid", "text", "js", "html"}
SESSION = next(block for block in fenced(READMES[0], "sh") if block.text.startswith("API="))
OUTPUT = fenced(READMES[0], "text")[0]
API, WECHAT = "http://127.0.0.1:3000", "http://127.0.0.1:3001"
PATIENCE = 60
PATH = re.compile(
    r"(?<![\w.])(?:events|requirements|layers|functions|local|docs|examples)/[\w./-]+"
)

posix_only = pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)


def test_every_make_target_is_named_and_every_named_one_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    exist = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    phony = set(re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split())
    shown = "\n".join(
        [block.text for block in SHELL]
        + [each for document in DOCUMENTS for each in spans(document.read_text("utf-8"))]
        + [(ROOT / ".ci" / "run").read_text("utf-8")]
    )
    named = set(re.findall(r"^make ([a-z]+)", shown, re.MULTILINE))

    assert exist == phony
    assert named - exist == set()
    # `make` alone is help, and shows the targets that no document needs.
    assert exist - named <= {"help", "lint", "lock", "clean"}


@posix_only
@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.where)
def test_a_shell_block_parses(block):
    parsed = run(["bash", "-n"], input=block.text)

    assert parsed.returncode == 0, parsed.stderr


@each_document
def test_a_block_is_of_its_language(document):
    for block in fenced(document):
        assert block.language in LANGUAGES, block.where
        if block.language == "python":
            ast.parse(block.text)
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "yaml":
            yaml.compose(block.text)  # CloudFormation has tags of its own
        elif block.language == "mermaid":
            check_diagram(block)


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.where)
def test_a_command_names_files_functions_and_parameters_that_exist(block):
    for path in PATH.findall(block.text):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"FUNCTION=(\w+)", block.text):
        assert name in {module_of(logical_id) for logical_id in stack().functions}
    for name in re.findall(r"sam local invoke (\w+)", block.text):
        assert name in stack().functions
    for given in re.findall(r'PARAMETERS="([^"]+)"', block.text):
        read_stack({**APPID, **parse_parameters(given)})
    joined = block.text.replace("\\\n", " ").replace('"$STAGE"', "prod")
    for before, given in re.findall(r"^(.*)--parameter-overrides (.+)$", joined, re.MULTILINE):
        parameters = parse_parameters(given)
        if another := re.search(r"--template-file (\S+)", before):
            assert set(parameters) <= set(load_template(ROOT / another[1])["Parameters"])
        else:
            read_stack(parameters)


def test_the_placeholders_of_events_are_documented():
    named = set(re.findall(r"`\$([A-Z_]+)`", READMES[0].read_text("utf-8")))
    used = {
        name
        for path in (ROOT / "events").glob("*.json")
        for name in re.findall(r"\$([A-Z][A-Z_]+)", path.read_text("utf-8"))
    }

    assert used == named


def test_the_session_in_the_readme_is_the_one_that_make_run_prints():
    printed = (ROOT / "local" / "session.sh").read_text("utf-8")

    assert f"API={API}; WECHAT={WECHAT}\n{printed}" == SESSION.text


@posix_only
def test_the_session_in_the_readme_runs_as_shown(tmp_path):
    ports = free_port(), free_port()
    api, wechat = (f"http://127.0.0.1:{port}" for port in ports)
    running = subprocess.Popen(
        [sys.executable, "-m", "local"],
        cwd=ROOT,
        env={
            **os.environ,
            "PORT": str(ports[0]),
            "WECHAT_PORT": str(ports[1]),
            "LOCAL_DIR": str(tmp_path),
            "PYTHONIOENCODING": "utf-8",
        },
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        banner = iter(running.stdout.readline, "")
        assert any(line.startswith(f"API={api}") for line in banner)
        script = SESSION.text.replace(API, api).replace(WECHAT, wechat)

        ran = run(["sh", "-c", script], timeout=PATIENCE)
    finally:
        running.terminate()
        running.communicate(timeout=PATIENCE)

    assert ran.stderr == ""
    assert [shape(line) for line in ran.stdout.splitlines()] == [
        shape(line) for line in OUTPUT.text.splitlines()
    ]


def check_diagram(block):
    kind, *lines = block.text.splitlines()
    assert kind in {"sequenceDiagram", "erDiagram"}, block.where
    if kind != "sequenceDiagram":
        return
    assert lines[0].strip() == "autonumber", block.where
    known = set(re.findall(r"^ *participant (\w+)", block.text, re.MULTILINE))
    opened = 0
    for line in lines[1:]:
        # Mermaid ends a statement at a semicolon, and reads a number sign as an entity.
        assert not set(";#") & set(line), f"{block.where}: {line}"
        message = re.fullmatch(r" *(\w+)(->>|-->>)(\w+): .+", line)
        if message:
            assert {message[1], message[3]} <= known, f"{block.where}: {line}"
            continue
        word = line.split()[0]
        opened += {"alt": 1, "opt": 1, "loop": 1, "end": -1}.get(word, 0)
        assert word in {"participant", "Note", "alt", "else", "opt", "loop", "end"}, line
    assert opened == 0, block.where


def shape(line):
    """Return what an answer is made of: its names, and the kind of each value."""

    def kind(value):
        if isinstance(value, dict):
            return {name: kind(each) for name, each in value.items()}
        return value if isinstance(value, bool | int | None) else "a text"

    return kind(json.loads(line))
