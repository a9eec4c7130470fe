"""Sealed values open only in their own context, and never if a byte has changed."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from wechat_login.errors import SealBroken
from wechat_login.storage.sealing import Keyring, new_keyring, with_new_key

RING = Keyring.from_json(new_keyring())
TEXTS = some.text(max_size=200).filter(lambda text: text.isprintable() or not text)


@given(TEXTS, TEXTS)
def test_a_sealed_value_opens_again(plain, context):
    assert RING.open(RING.seal(plain, context=context), context=context) == plain


@given(some.text(min_size=1, max_size=40), TEXTS, TEXTS)
def test_a_value_sealed_for_one_does_not_open_for_another(plain, context, other):
    sealed = RING.seal(plain, context=context)

    if context != other:
        with pytest.raises(SealBroken):
            RING.open(sealed, context=other)


@given(some.data())
def test_a_value_with_one_changed_bit_does_not_open(data):
    key_id, _, body = RING.seal("+8613800138000", context="alice").partition(".")
    raw = bytearray(base64.urlsafe_b64decode(body))
    at = data.draw(some.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(some.integers(0, 7))

    with pytest.raises(SealBroken):
        RING.open(f"{key_id}.{base64.urlsafe_b64encode(raw).decode()}", context="alice")


@given(some.integers(1, 59))
def test_a_value_cut_short_does_not_open(cut):
    sealed = RING.seal("+8613800138000", context="alice")

    with pytest.raises(SealBroken):
        RING.open(sealed[:-cut], context="alice")


@given(some.text(max_size=100))
def test_any_other_text_does_not_open(text):
    with pytest.raises(SealBroken):
        RING.open(text, context="alice")


@pytest.mark.parametrize("text", ["", ".", "k1", "k1.", "k1.AAAA", "k2.AAAA", "k1.é", "k1.A A"])
def test_a_value_that_was_never_sealed_does_not_open(text):
    with pytest.raises(SealBroken):
        RING.open(text, context="alice")


def test_a_value_is_never_sealed_the_same_way_twice():
    assert RING.seal("x", context="a") != RING.seal("x", context="a")


def test_values_sealed_with_an_earlier_key_stay_readable():
    first = new_keyring()
    second = with_new_key(first)
    old = Keyring.from_json(first).seal("13800138000", context="alice")

    new = Keyring.from_json(second).seal("13800138000", context="alice")

    assert Keyring.from_json(second).open(old, context="alice") == "13800138000"
    assert new.partition(".")[0] != old.partition(".")[0]
    with pytest.raises(SealBroken):
        Keyring.from_json(first).open(new, context="alice")


def test_a_key_added_twice_gets_a_name_of_its_own():
    ring = json.loads(with_new_key(with_new_key(new_keyring())))

    assert len(ring["keys"]) == len(set(ring["keys"].values())) == 3
    assert ring["current"] in ring["keys"]


def test_the_index_survives_a_new_key_and_differs_between_rings():
    first = new_keyring()

    same = Keyring.from_json(with_new_key(first)).blind_index("+8613800138000")

    assert same == Keyring.from_json(first).blind_index("+8613800138000")
    assert same != RING.blind_index("+8613800138000")


@given(some.text(max_size=30), some.text(max_size=30))
def test_two_values_have_two_indexes(one, other):
    assert (RING.blind_index(one) == RING.blind_index(other)) == (one == other)
    assert len(RING.blind_index(one)) == 64


def test_a_keyring_does_not_show_its_keys():
    shown = f"{RING!r} {RING}"

    for key in (*RING.keys.values(), RING.index_key):
        assert repr(key) not in shown
        assert base64.b64encode(key).decode() not in shown
