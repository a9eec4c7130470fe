"""The two READMEs say the same: headings, commands, routes and links."""

import re

from tests.support.written import READMES, fenced, headings, prose, spans, steps, tables

ENGLISH, CHINESE = READMES
IN_ENGLISH = "（英文）"  # noqa: RUF001 - Chinese brackets


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


def test_the_chinese_one_marks_every_link_to_a_document_in_english():
    for link in re.findall(r"\]\((?:docs/|\w+\.md)[^)]*\).{0,4}", prose(CHINESE)):
        if not re.search(r"\.png\)|README\.md\)|\(docs/zh/", link):
            assert link.endswith(f"){IN_ENGLISH}"), link


def test_the_first_screen_says_what_it_is_shows_it_and_gives_two_commands():
    for readme, language in ((ENGLISH, "en"), (CHINESE, "zh")):
        first_screen = "\n".join(readme.read_text("utf-8").splitlines()[:14])
        assert f"](docs/images/demo-{language}.png)" in first_screen
        assert "make run\nmake test\n" in first_screen


def test_both_say_where_the_demo_and_the_described_api_are():
    for readme in READMES:
        assert set(re.findall(r"<(http://[^>]+)>", prose(readme))) == {
            "http://127.0.0.1:3000/",
            "http://127.0.0.1:3000/docs",
        }


def names_in(readme):
    return [[[spans(cell) for cell in row] for row in rows[1:]] for rows in tables(readme)]


def links(readme):
    # Each shows the pictures of its language, and leads to the documents and READMEs of it.
    found = re.findall(r"\]\(([^)#]+)", prose(readme))
    found = [target.replace("/README.zh-CN.md", "/README.md") for target in found]
    return {re.sub(r"-(en|zh)(?=\.png$)|(?<=docs/)zh/", "", target) for target in found}
