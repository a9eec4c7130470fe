"""Another team's services: a queue that hears every event, behind a rule on the bus."""

import json
import time
from dataclasses import dataclass
from typing import Any

import boto3

from stack.cloudformation import ACCOUNT, REGION
from tests.support import events

PATIENCE = 60


@dataclass(frozen=True)
class Told:
    """An event without its envelope; the kind is the type without `user.`."""

    kind: str
    detail: dict[str, Any]

    @property
    def openid(self):
        return self.detail["openid"]


class Team:
    """Hears the events that match a pattern; each is checked against docs/events.schema.json."""

    def __init__(self, pattern=None, name="team", bus="default"):
        self._sqs, bridge = boto3.client("sqs"), boto3.client("events")
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        pattern = json.dumps(pattern or {"source": ["wechat-login"]})
        bridge.put_rule(Name=name, EventPattern=pattern, EventBusName=bus)
        target = {"Id": name, "Arn": arn}
        answer = bridge.put_targets(Rule=name, EventBusName=bus, Targets=[target])
        assert answer["FailedEntryCount"] == 0, answer
        self.heard = []

    def listen(self):
        """Take what has arrived, and return it."""
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        arrived = []
        for message in answer.get("Messages", []):
            event = json.loads(message["Body"])
            events.check(event)
            arrived.append(event)
            handle = message["ReceiptHandle"]
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=handle)
        self.heard += arrived
        return arrived

    def waits_for(self, condition):
        """Listen until the condition holds for what was heard."""
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, self.told()
            if not self.listen():
                time.sleep(0.05)

    def told(self):
        """Return each event once, in the order of the ids, which begin with the time."""
        once = {event["detail"]["id"]: event for event in self.heard}
        return [
            Told(event["detail-type"].removeprefix("user."), event["detail"])
            for _, event in sorted(once.items())
        ]
