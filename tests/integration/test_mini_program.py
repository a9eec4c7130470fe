"""The example mini program in Node: its rules, its pages, and its client on the local stack."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1] / "client"
WITH_STACK = TESTS / "local_stack.test.js"
WITH_LEGACY_STACK = TESTS / "legacy_phone.test.js"
WITHOUT_STACK = sorted(set(TESTS.glob("*.test.js")) - {WITH_STACK, WITH_LEGACY_STACK})
OLDEST_NODE = 20


@pytest.fixture(scope="module")
def node():
    found = shutil.which("node")
    version = subprocess.check_output([found, "--version"], text=True) if found else "v0"  # noqa: S603
    if int(version[1:].partition(".")[0]) >= OLDEST_NODE:
        return found
    reason = f"Node {OLDEST_NODE} or later, which runs a mini program's code, is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(node, file, **addresses):
    done = subprocess.run(  # noqa: S603
        [node, "--test", file],
        env={"PATH": os.environ["PATH"], **addresses},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n# pass 0\n" not in done.stdout, done.stdout


def run_with(backend, node, file):
    wechat_url = backend.deployment.stack.parameters["WeChatUrl"]
    run(node, file, API_URL=backend.url, WECHAT_URL=wechat_url)


@pytest.mark.parametrize("file", WITHOUT_STACK, ids=lambda file: file.name)
def test_the_client_keeps_its_rules(node, file):
    run(node, file)


def test_the_client_works_with_the_local_stack(node, backend):
    run_with(backend, node, WITH_STACK)


def test_the_client_works_with_legacy_phone_data(node, deployed_with):
    run_with(deployed_with(LegacyPhone="true"), node, WITH_LEGACY_STACK)
