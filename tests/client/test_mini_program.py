"""The example mini program in Node: its rules, its pages, and its client on the local stack."""

from pathlib import Path

import pytest

from tests.support.node import run, run_with

TESTS = Path(__file__).parent
WITH_STACK = TESTS / "local_stack.test.js"
WITH_LEGACY_STACK = TESTS / "legacy_phone.test.js"
WITH_TWO = TESTS / "second_mini_program.test.js"
WITH_A_STACK = {WITH_STACK, WITH_LEGACY_STACK, WITH_TWO}
WITHOUT_STACK = sorted(set(TESTS.glob("*.test.js")) - WITH_A_STACK)


@pytest.mark.parametrize("file", WITHOUT_STACK, ids=lambda file: file.name)
def test_the_client_keeps_its_rules(node, file):
    run(node, file)


def test_the_client_works_with_the_local_stack(node, backend):
    run_with(backend, node, WITH_STACK)


def test_the_client_works_in_a_second_mini_program(node, backend):
    backend.add_mini_program("wxfedcba0987654321")
    run_with(backend, node, WITH_TWO)


def test_the_client_works_with_legacy_phone_data(node, deployed_with):
    run_with(deployed_with(LegacyPhone="true"), node, WITH_LEGACY_STACK)
