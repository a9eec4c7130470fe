"""The table has exactly the items of docs/how-login-works.md."""

import re

import pytest

from stack.template import ROOT
from tests.support.written import span, spans, table

DRAWN = table(ROOT / "docs" / "how-login-works.md", "pk", "sk", "attributes")


@pytest.fixture
def backend(deployed_with):
    return deployed_with(Events="true")


def test_every_item_is_drawn(person, items):
    alice, bob = person("alice"), person("bob")
    alice.register()
    alice.tap()
    bob.log_in()

    for (pk, sk), item in items().items():
        always, at_times = attributes(pk, sk)
        found = set(item) - {"pk", "sk"}
        assert always <= found, sk.partition("#")[0]
        assert found <= always | at_times, sk.partition("#")[0]


def attributes(pk, sk):
    """Return the attributes that an item of these keys always has, and those it may have."""
    for drawn_pk, drawn_sk, drawn in DRAWN:
        if matches(span(drawn_pk), pk) and matches(span(drawn_sk), sk):
            at_times = set(re.findall(r"\[`(\w+)`\]", drawn))
            return set(spans(drawn)) - at_times, at_times
    raise AssertionError(f"{pk.partition('#')[0]} with {sk.partition('#')[0]} is not drawn")


def matches(drawn, key):
    pattern = "".join(
        "[^#]+" if part.startswith("<") else re.escape(part) for part in re.split(r"(<\w+>)", drawn)
    )
    return re.fullmatch(pattern, key) is not None
