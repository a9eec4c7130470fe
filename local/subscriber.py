"""Another service's place in the local run: a rule on the bus, with a queue as its target."""

import json
import threading
from collections import deque
from typing import Any

import boto3

from stack.cloudformation import ACCOUNT, REGION

SOURCE = "wechat-login"
MOST_KEPT = 500


class Subscriber:
    """Receives the events of a bus from now on, and keeps the last of them."""

    def __init__(self, session: boto3.Session, name: str, bus: str) -> None:
        make: Any = session.client  # its stubs know only the services that the layer uses
        self._sqs, events = make("sqs"), make("events")
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        pattern = json.dumps({"source": [SOURCE]})
        events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern)
        target = {"Id": name, "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"}
        events.put_targets(Rule=name, EventBusName=bus, Targets=[target])
        self._kept: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)
        self._lock = threading.Lock()

    def events(self) -> list[dict[str, Any]]:
        """Return the last events as EventBridge delivered them, oldest first."""
        with self._lock:
            while messages := self._receive():
                for message in messages:
                    self._kept.append(json.loads(message["Body"]))
                    receipt = message["ReceiptHandle"]
                    self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=receipt)
            return list(self._kept)

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages
