"""Receives the events of wechat-login from EventBridge."""

from collections.abc import Mapping
from typing import Any

from orders import orders


def handler(event: Mapping[str, Any], context: object) -> None:  # noqa: ARG001 - Lambda's signature
    """Apply one event; after an error Lambda invokes again, and then keeps the event in the DLQ."""
    orders().follow(event["detail-type"], event["detail"])
