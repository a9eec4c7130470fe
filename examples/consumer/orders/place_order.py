"""`POST /orders {article, quantity, address}`, for the user of the token."""

import json
from collections.abc import Mapping
from typing import Any

from orders import SignedInBeforeErasure, orders


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's
    """Return 201 and the order's id; 400; or 401 if the client has to log in again."""
    claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
    try:
        body = json.loads(event["body"])
        texts = {name: str(body[name]) for name in ("article", "address")}
        order_id = orders().place(claims, {**texts, "quantity": int(body["quantity"])})
    except (KeyError, TypeError, ValueError):
        return {"statusCode": 400}
    except SignedInBeforeErasure:
        return {"statusCode": 401}
    return {"statusCode": 201, "body": json.dumps({"id": order_id})}
