"""The Chinese documents say the same as the English ones: headings, code, tables; and /docs too."""

import json
import re

import pytest

from stack.template import ROOT
from tests.support.written import fenced, headings, name_of, openapi, prose, spans, steps, tables

TRANSLATIONS = sorted((ROOT / "docs" / "zh").glob("*.md"))
TEXTS = ROOT / "docs" / "zh" / "openapi.json"
HAN = re.compile("[\u4e00-\u9fff]")

each_translation = pytest.mark.parametrize("chinese", TRANSLATIONS, ids=name_of)


def test_every_page_has_a_chinese_one_and_no_other_has():
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}

    assert {page.name for page in TRANSLATIONS} == pages


@each_translation
def test_the_headings_are_in_the_same_order(chinese):
    assert [level for level, _ in headings(chinese)] == [
        level for level, _ in headings(english(chinese))
    ]


@each_translation
def test_the_code_is_the_same(chinese):
    assert [written(block) for block in fenced(chinese)] == [
        written(block) for block in fenced(english(chinese))
    ]


@each_translation
def test_the_prose_names_the_same_things_in_code(chinese):
    assert set(spans(prose(chinese))) == set(spans(prose(english(chinese))))


@each_translation
def test_the_tables_have_the_same_rows(chinese):
    for ours, theirs in zip(tables(chinese), tables(english(chinese)), strict=True):
        assert [first(row) for row in ours[1:]] == [first(row) for row in theirs[1:]]


@each_translation
def test_each_cell_names_the_same_things_and_has_its_words(chinese):
    for ours, theirs in zip(tables(chinese), tables(english(chinese)), strict=True):
        for row, original in zip(ours, theirs, strict=True):
            for cell, english_cell in zip(row, original, strict=True):
                assert sorted(spans(cell)) == sorted(spans(english_cell)), row
                assert HAN.search(cell) or bare(cell) == bare(english_cell), row


@each_translation
def test_a_link_leads_to_the_page_in_chinese(chinese):
    assert not re.findall(r"\[(?!English\])[^\]]*\]\(\.\./([\w-]+\.md)", prose(chinese))


@each_translation
def test_the_two_lead_to_each_other(chinese):
    assert f"[English](../{chinese.name})" in prose(chinese)
    assert f"[中文](zh/{chinese.name})" in prose(english(chinese))


def test_each_text_of_the_api_has_a_chinese_one_and_no_other_has():
    texts = json.loads(TEXTS.read_text("utf-8"))

    assert texts.keys() == set(described(openapi()))
    for text, chinese in texts.items():
        assert HAN.search(chinese) or chinese == text, text
        assert sorted(spans(chinese)) == sorted(" ".join(span.split()) for span in spans(text))


def english(chinese):
    return ROOT / "docs" / chinese.name


def written(block):
    """Give what both languages share: code as it is, and of a diagram its steps."""
    return block.language, steps(block) if block.language == "mermaid" else block.text


def first(row):
    """Give what a row is about: its first cell's code and numbers."""
    return sorted(re.findall(r"`[^`]+`|\d+(?:[.,]\d+)*", row[0]))


def bare(cell):
    """Give a cell without spaces and punctuation, which differ in Chinese."""
    return re.sub(r"[^\w`]", "", cell)


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
