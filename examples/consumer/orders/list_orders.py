"""`GET /orders`: the orders of the token's user, in the mini program that they use."""

import json
from collections.abc import Mapping
from typing import Any

from orders import orders


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's
    """Return 200 and the orders."""
    claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
    found = orders().of_person(claims["sub"], claims["client_id"])
    return {"statusCode": 200, "body": json.dumps(found)}
