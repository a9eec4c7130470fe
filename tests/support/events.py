"""The events as documented: docs/events.schema.json, which other teams get too."""

import json
from functools import cache

import jsonschema

from stack.template import ROOT

Invalid = jsonschema.ValidationError
SCHEMA = ROOT / "docs" / "events.schema.json"


@cache
def schema():
    return json.loads(SCHEMA.read_text("utf-8"))


def kinds():
    """Return the types of events in the schema."""
    return set(schema()["properties"]["detail-type"]["enum"])


def fields():
    """Return the fields of `detail`, of all types together."""
    shapes = [each for each in schema()["$defs"].values() if "properties" in each]
    return {name for shape in shapes for name in shape["properties"]}


def check(event):
    """Fail if an event, as EventBridge delivers it, is not as documented."""
    jsonschema.Draft202012Validator(schema()).validate(event)
