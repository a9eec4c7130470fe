"""The two READMEs say the same: headings, commands, routes and links."""

import re

from tests.promises.written import READMES, fenced, headings, prose, spans, tables

ENGLISH, CHINESE = READMES


def test_they_have_the_same_headings():
    assert [level for level, _ in headings(ENGLISH)] == [level for level, _ in headings(CHINESE)]


def test_they_have_the_same_commands_and_output():
    languages = ("sh", "powershell", "text")
    english, chinese = ([block.text for block in fenced(each, *languages)] for each in READMES)

    assert english == chinese


def test_they_draw_the_same_steps():
    assert [steps(block) for block in fenced(ENGLISH, "mermaid")] == [
        steps(block) for block in fenced(CHINESE, "mermaid")
    ]


def test_they_have_the_same_tables():
    assert names_in(ENGLISH) == names_in(CHINESE)


def test_they_name_the_same_things_in_code():
    assert sorted(spans(prose(ENGLISH))) == sorted(spans(prose(CHINESE)))


def test_they_link_to_the_same_pages():
    assert links(ENGLISH) - {CHINESE.name} == links(CHINESE) - {ENGLISH.name}


def test_the_first_screen_says_what_it_is_and_gives_two_commands():
    for readme in READMES:
        first_screen = "\n".join(readme.read_text("utf-8").splitlines()[:14])
        assert "make run\nmake test\n" in first_screen


def steps(block):
    return re.findall(r"^ *(\w+-?->>\w+|Note over \w+)", block.text, re.MULTILINE)


def names_in(readme):
    return [[[spans(cell) for cell in row] for row in rows[1:]] for rows in tables(readme)]


def links(readme):
    return set(re.findall(r"\]\(([^)]+)\)", prose(readme)))
