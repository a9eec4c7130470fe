"""The client's types: those of docs/openapi.yaml, of session.js, and of wx, uni and Taro."""

import os
import shutil
import subprocess

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


@pytest.fixture(autouse=True, scope="module")
def _described():
    run("openapi-typescript", ROOT / "docs" / "openapi.yaml", "-o", GENERATED)


def test_an_app_uses_the_client_on_each_platform_and_the_types_are_the_contracts():
    assert compiled() == ""


def test_the_client_agrees_with_its_types():
    assert compiled(project="tsconfig.client.json") == ""


def test_the_taro_sample_is_typed():
    assert compiled(project="tsconfig.taro.json") == ""


def test_the_uni_app_sample_is_typed():
    assert compiled("vue-tsc", "tsconfig.uni-app.json") == ""


@pytest.mark.parametrize(
    ("project", "file", "right", "wrong"),
    [
        ("tsconfig.json", UTILS / "session.d.ts", "createdAt: number", "createdAt: string"),
        ("tsconfig.json", GENERATED, "current: boolean", "current?: boolean"),
        (
            "tsconfig.client.json",
            UTILS / "session.js",
            "{ openid, registered, token };",
            "{ openid };",
        ),
        ("tsconfig.taro.json", UTILS / "session.d.ts", "registerPhone(", "bindPhone("),
        ("tsconfig.uni-app.json", UTILS / "session.d.ts", "registerPhone(", "bindPhone("),
    ],
)
def test_a_difference_is_noticed(project, file, right, wrong, tmp_path):
    # The compilers read the tree, so each looks at a copy of it.
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "examples", tree / "examples")
    shutil.copytree(TESTS / "types", tree / "tests" / "client" / "types")
    (tree / "tests" / "client" / "node_modules").symlink_to(TESTS / "node_modules")
    copy = tree / file.relative_to(ROOT)
    text = copy.read_text("utf-8")
    assert right in text
    copy.write_text(text.replace(right, wrong), "utf-8")

    command = "vue-tsc" if "uni-app" in project else "tsc"

    assert "error TS" in compiled(command, project, tree / "tests" / "client" / "types")


def compiled(command="tsc", project="tsconfig.json", folder=TESTS / "types"):
    return run(command, "-p", folder / project, check=False)


def run(command, *arguments, check=True):
    done = subprocess.run(
        [BIN / command, *arguments], capture_output=True, text=True, timeout=180, check=check
    )
    return done.stdout
