"""The Chinese documents say the same as the English ones: headings, code, tables; and /docs too."""

import json
import re

import pytest

from stack.template import ROOT
from tests.support.written import fenced, headings, name_of, openapi, spans, tables

TRANSLATIONS = sorted((ROOT / "docs" / "zh").glob("*.md"))
TEXTS = ROOT / "docs" / "zh" / "openapi.json"

each_translation = pytest.mark.parametrize("chinese", TRANSLATIONS, ids=name_of)


@each_translation
def test_the_headings_are_in_the_same_order(chinese):
    assert [level for level, _ in headings(chinese)] == [
        level for level, _ in headings(english(chinese))
    ]


@each_translation
def test_the_code_is_the_same(chinese):
    assert [(block.language, block.text) for block in fenced(chinese)] == [
        (block.language, block.text) for block in fenced(english(chinese))
    ]


@each_translation
def test_the_tables_name_the_same_things(chinese):
    assert names_in(chinese) == names_in(english(chinese))


def test_each_text_of_the_api_has_a_chinese_one_and_no_other_has():
    texts = json.loads(TEXTS.read_text("utf-8"))

    assert texts.keys() == set(described(openapi()))
    for text, chinese in texts.items():
        assert re.search("[\u4e00-\u9fff]", chinese) or chinese == text, text
        assert sorted(spans(chinese)) == sorted(" ".join(span.split()) for span in spans(text))


def english(chinese):
    return ROOT / "docs" / chinese.name


def names_in(document):
    return [[[spans(cell) for cell in row] for row in rows[1:]] for rows in tables(document)]


def described(node):
    if isinstance(node, list):
        for each in node:
            yield from described(each)
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("summary", "description") and isinstance(value, str):
                yield value
            else:
                yield from described(value)
