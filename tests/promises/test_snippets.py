"""Every snippet of the client's documents runs, and their tables name every error.

Those for other services: SAM takes the YAML; the Python and JavaScript run in
tests/integration/test_verifiable_tokens.py.
"""

import json
import re

import pytest
import yaml

from stack.template import ROOT
from tests.support.node import run_with
from tests.support.translated import lint, translated
from tests.support.written import fenced, spans, table

SNIPPETS = ROOT / "tests" / "client" / "snippets.js"
GUIDE = ROOT / "docs" / "client.md"
CLIENT = ROOT / "examples" / "mini-program" / "utils" / "session.js"
OTHER_APIS = fenced(ROOT / "docs" / "verify-tokens.md", "yaml")
# The reader's own part: a function behind the API.
FUNCTION = {
    "Type": "AWS::Serverless::Function",
    "Properties": {
        "CodeUri": "orders/",
        "Handler": "orders.handler",
        "Runtime": "python3.13",
        "Events": {
            "Api": {
                "Type": "HttpApi",
                "Properties": {"ApiId": {"Ref": "Orders"}, "Method": "GET", "Path": "/orders"},
            }
        },
    },
}
# Never returned to a mini program: pushes are WeChat's, and `authorize` has no body.
NOT_A_CLIENTS = {"push_rejected", "token_invalid"}


def test_every_snippet_runs_against_the_local_stack(node, backend):
    run_with(backend, node, SNIPPETS)


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


@pytest.mark.parametrize("block", OTHER_APIS, ids=lambda block: block.where)
def test_sam_accepts_the_documented_template_of_another_api(block, tmp_path):
    written = yaml.safe_load(block.text)
    template = written if "Resources" in written else {"Resources": written}
    template["Resources"]["ListOrders"] = FUNCTION
    path, result = tmp_path / "template.json", tmp_path / "translated.json"
    path.write_text(json.dumps({"Transform": "AWS::Serverless-2016-10-31", **template}))

    document = translated(template=path)
    result.write_text(json.dumps(document))

    assert lint(result, "us-east-1", "cn-north-1") == ""
    api = document["Resources"]["Orders"]["Properties"]["Body"]
    assert api["paths"]["/orders"]["get"]["security"] == [{"WeChatLogin": []}]
    scheme = api["components"]["securitySchemes"]["WeChatLogin"]["x-amazon-apigateway-authorizer"]
    # SAM does not report unknown names.
    assert scheme["type"] == "jwt" or scheme["enableSimpleResponses"] is True


def codes(second_column):
    rows = table(GUIDE, "code", second_column)
    return {code for row in rows for code in spans(row[0])}
