"""The shop of examples/consumer, another team's service: its template, its code, its table."""

import importlib
import json
import sys
from contextlib import contextmanager
from functools import cache

import boto3
import pytest

from stack.cloudformation import Values, load_template, parameter_values
from stack.template import ROOT

FOLDER = ROOT / "examples" / "consumer"
TEMPLATE = FOLDER / "template.yaml"
CODE = FOLDER / "orders"
TABLE = "orders"
ADDRESS = "长安街 1 号"
MODULES = [path.stem for path in CODE.glob("*.py")]


@cache
def template():
    return load_template(TEMPLATE)


def rules():
    """Return the event pattern of each rule, by its name in the template."""
    given = {"Issuer": "https://login.example", "Audience": "wx1234567890abcdef"}
    values = Values(template(), parameter_values(template()["Parameters"], given))
    events = values.resolve(template()["Resources"]["FollowUsers"]["Properties"]["Events"])
    return {name: each["Properties"]["Pattern"] for name, each in events.items()}


class Shop:
    """The shop's handlers, and a look into its table."""

    def __init__(self, modules):
        self._modules = modules
        self._table = boto3.resource("dynamodb").Table(TABLE)
        self.orders = modules["orders"].orders()
        self.client = self.orders.client

    def follow(self, event):
        self.handle("follow_users", event)

    def place(self, claims, **body):
        """Return the answer to `POST /orders` of a token with these claims."""
        body = {"article": "茶", "quantity": 1, "address": ADDRESS, **body}
        return self.handle("place_order", _request(claims, body))

    def handle(self, module, event):
        return self._modules[module].handler(event, None)

    def list(self, claims):
        return json.loads(self.handle("list_orders", _request(claims))["body"])

    def items(self):
        return self._table.scan(ConsistentRead=True)["Items"]

    def empty(self):
        for item in self.items():
            self._table.delete_item(Key={name: item[name] for name in ("pk", "sk")})

    def live(self):
        """Return the userId of each order that still has a user."""
        return {each["sk"][6:]: each["userId"] for each in self.items() if "userId" in each}


@contextmanager
def opened():
    """Open the shop with an empty table, in the AWS that the environment names."""
    own = template()["Resources"]["Table"]["Properties"]
    keys = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(TableName=TABLE, **{key: own[key] for key in keys})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TABLE", TABLE)
        patch.syspath_prepend(CODE)
        try:
            yield Shop({name: importlib.import_module(name) for name in MODULES})
        finally:
            for name in MODULES:
                sys.modules.pop(name, None)
            dynamodb.delete_table(TableName=TABLE)


def _request(claims, body=None):
    # API Gateway gives claims as texts.
    texts = {name: str(each) for name, each in claims.items()}
    return {
        "requestContext": {"authorizer": {"jwt": {"claims": texts}}},
        "body": json.dumps(body),
    }
