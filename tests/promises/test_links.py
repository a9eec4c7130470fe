"""Links between documents, and the file names in them, are valid."""

import re

import pytest

from stack.template import ROOT
from tests.support.written import DOCUMENTS, headings, name_of, prose, spans

FOLDERS = (
    "functions",
    "layers",
    "stack",
    "simulated_wechat",
    "demo",
    "local",
    "tests",
    "docs",
    "events",
    "examples",
)
FILE = re.compile(r"[\w./-]+\.(py|md|yaml|json|sh|toml|txt)")
# Of WeChat or of AWS, or made by a run.
OTHERS = {
    "app.json",
    "project.config.json",
    "openid-configuration",
    "jwks.json",
    "running.json",
}
KNOWN = {
    end
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.*")
    for end in (path.name, f"{path.parent.name}/{path.name}")
}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)


@each_document
def test_a_link_leads_to_a_place_that_exists(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        page = (document.parent / path).resolve() if path else document

        assert page.exists(), target
        if anchor:
            assert anchor in {slug(title) for _, title in headings(page)}, target


@each_document
def test_a_file_that_is_named_exists(document):
    for name in spans(prose(document)):
        if FILE.fullmatch(name) and name.rpartition("/")[2] not in OTHERS:
            assert (ROOT / name).exists() or name in KNOWN, name


def slug(title):
    """Return a heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
