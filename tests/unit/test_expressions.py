import pytest

from tests.support import expressions
from tests.support.expressions import Given, Invalid, UnknownSyntax

ITEM = {"pk": "a", "logins": 3, "things": {"sid": {"seen": 1}}, "owners": frozenset({"x"})}


def holds(text, values=None, names=None):
    condition, _ = expressions.condition(text)
    return condition(ITEM, Given(names or {}, values or {}))


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("attribute_exists(things)", {}, True),
        ("attribute_not_exists(things.ended)", {}, True),
        ("attribute_exists(things) AND attribute_exists(ended)", {}, False),
        ("attribute_exists(ended) OR things.sid.seen = :one", {":one": 1}, True),
        ("attribute_exists(ended) OR attribute_exists(things) AND pk = :b", {":b": "b"}, False),
        ("(attribute_exists(things) OR pk = :b) AND pk = :a", {":a": "a", ":b": "b"}, True),
        (":n BETWEEN :n AND :n", {":n": 3}, True),
        ("size(things) < :n", {":n": 2}, True),
        ("begins_with(pk, :a)", {":a": "a"}, True),
        ("owners = :x", {":x": frozenset({"x"})}, True),
        # A value of another type, or one that is missing, compares to nothing.
        ("pk = :n", {":n": 3}, False),
        ("ended <= :n", {":n": 3}, False),
    ],
)
def test_a_condition_holds_as_in_dynamodb(text, values, expected):
    assert holds(text, values) is expected


def test_names_stand_for_attributes():
    assert holds("attribute_exists(#m.#o)", names={"#m": "things", "#o": "sid"})


def test_an_update_reads_the_item_as_it_was_and_leaves_it_alone():
    change, used = expressions.update(
        "SET pk = :b, things.#n.seen = logins REMOVE owners ADD logins :n"
    )

    after = change.apply(ITEM, Given({"#n": "sid"}, {":b": "b", ":n": 2}))

    assert after == {"pk": "b", "logins": 5, "things": {"sid": {"seen": 3}}}
    assert ITEM["things"] == {"sid": {"seen": 1}}
    assert used == {":b", ":n", "#n"}


@pytest.mark.parametrize("text", ["SET ended.sid = pk", "REMOVE ended.sid.seen"])
def test_a_path_through_a_missing_map_is_invalid(text):
    with pytest.raises(Invalid):
        expressions.update(text)[0].apply(ITEM, Given({}, {}))


def test_paths_that_overlap_are_invalid():
    with pytest.raises(Invalid, match="overlap"):
        expressions.update("REMOVE things, things.sid")[0].apply(ITEM, Given({}, {}))


def test_a_reserved_word_needs_a_placeholder():
    with pytest.raises(Invalid, match="reserved"):
        expressions.condition("attribute_exists(owner)")


@pytest.mark.parametrize(
    "text", ["contains(pk, :a)", "attribute_type(pk, :a)", "pk <> :a", "pk = :a ?"]
)
def test_unknown_syntax_raises(text):
    with pytest.raises(UnknownSyntax):
        expressions.condition(text)
