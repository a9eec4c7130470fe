"""The client's types: those of docs/openapi.yaml, of session.js, and of wx, uni and Taro."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stack.template import ROOT

TESTS = ROOT / "tests" / "client"
BIN = TESTS / "node_modules" / ".bin"
UTILS = ROOT / "examples" / "mini-program" / "utils"
GENERATED = TESTS / "types" / "openapi.d.ts"

pytestmark = pytest.mark.skipif(
    not (TESTS / "node_modules" / ".made").exists() and not os.environ.get("CI"),
    reason="make tests/client/node_modules/.made installs the compilers",
)


# For each project: a difference between the client, its types and the contract.
DIFFERENCES = {
    "what the types say": (
        "tsconfig.json",
        "session.d.ts",
        "createdAt: number",
        "createdAt: string",
    ),
    "the contract": ("tsconfig.json", "openapi.d.ts", "current: boolean", "current?: boolean"),
    "what the client returns": (
        "tsconfig.client.json",
        "session.js",
        "{ openid, registered, token };",
        "{ openid };",
    ),
    "what Taro calls": ("tsconfig.taro.json", "session.d.ts", "registerPhone(", "bindPhone("),
}
IN_VUE = "tsconfig.uni-app.json", "session.d.ts", "registerPhone(", "bindPhone("


@pytest.fixture(autouse=True, scope="module")
def _described():
    run("openapi-typescript", ROOT / "docs" / "openapi.yaml", "-o", GENERATED)


@pytest.fixture(scope="module")
def errors(node, _described):
    """The compiler's errors in each project as it is, and with each difference."""
    projects = ["tsconfig.json", "tsconfig.client.json", "tsconfig.taro.json"]
    wanted = [
        *({"project": str(TESTS / "types" / each), "changed": {}} for each in projects),
        *(
            {"project": str(TESTS / "types" / project), "changed": changed(*difference)}
            for project, *difference in DIFFERENCES.values()
        ),
    ]
    done = subprocess.run(
        [node, TESTS / "compile.js"],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return dict(zip([*projects, *DIFFERENCES], json.loads(done.stdout), strict=True))


def test_an_app_uses_the_client_on_each_platform_and_the_types_are_the_contracts(errors):
    assert errors["tsconfig.json"] == ""


def test_the_client_agrees_with_its_types(errors):
    assert errors["tsconfig.client.json"] == ""


def test_the_taro_sample_is_typed(errors):
    assert errors["tsconfig.taro.json"] == ""


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_a_difference_is_noticed(errors, difference):
    assert "error TS" in errors[difference]


def test_the_uni_app_sample_is_typed():
    assert compiled_in_vue(TESTS / "types") == ""


def test_a_difference_in_vue_is_noticed(tmp_path):
    # This compiler reads the tree, so it looks at a copy.
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "examples", tree / "examples")
    shutil.copytree(TESTS / "types", tree / "tests" / "client" / "types")
    (tree / "tests" / "client" / "node_modules").symlink_to(TESTS / "node_modules")
    for file, text in changed(*IN_VUE[1:]).items():
        (tree / Path(file).relative_to(ROOT)).write_text(text, "utf-8")

    assert "error TS" in compiled_in_vue(tree / "tests" / "client" / "types")


def changed(name, right, wrong):
    """Return the changed text of a file, by its path."""
    file = GENERATED if name == GENERATED.name else UTILS / name
    text = file.read_text("utf-8")
    assert right in text
    return {str(file): text.replace(right, wrong)}


def compiled_in_vue(folder):
    return run("vue-tsc", "-p", folder / IN_VUE[0], check=False)


def run(command, *arguments, check=True):
    done = subprocess.run(
        [BIN / command, *arguments], capture_output=True, text=True, timeout=180, check=check
    )
    return done.stdout
