"""Every snippet of the client's documents runs, and its tables name every error there is."""

import re

from local.stack import ROOT
from tests.integration import test_mini_program as mini_program
from tests.promises.written import spans, table

SNIPPETS = ROOT / "tests" / "client" / "snippets.js"
GUIDE = ROOT / "docs" / "client.md"
CLIENT = ROOT / "examples" / "mini-program" / "utils" / "session.js"
# Nothing that a mini program gets: a push is WeChat's, and `authorize` tells nobody.
NOT_A_CLIENTS = {"push_rejected", "token_invalid"}

node = mini_program.node


def test_every_snippet_runs_against_the_local_stack(node, backend):
    mini_program.run_with(backend, node, SNIPPETS)


def test_the_guide_names_every_error_of_the_client():
    listed = re.findall(r"^ \*     ([a-z_, ]+?)  ", CLIENT.read_text("utf-8"), re.MULTILINE)
    own = {code for line in listed for code in line.split(", ")}

    assert codes("when") == own


def test_the_guide_names_every_error_of_the_backend():
    documented = {
        code
        for row in table(ROOT / "docs" / "errors.md", "code", "status")
        for code in spans(row[0])
    }

    assert codes("the client has") == documented - NOT_A_CLIENTS


def codes(second_column):
    rows = table(GUIDE, "code", second_column)
    return {code for row in rows for code in spans(row[0])}
