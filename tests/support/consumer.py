"""Another team's service: a rule on the bus, and a queue of its own."""

import json
import time

import boto3

from stack.cloudformation import ACCOUNT, REGION
from tests.support import events

PATIENCE = 60  # seconds


class Consumer:
    """Receives the events of a bus from now on, as EventBridge delivers them to a queue.

    Each is checked against docs/events.schema.json when it arrives.
    """

    def __init__(self, name="team", bus="default", pattern=None):
        self._sqs, bridge = boto3.client("sqs"), boto3.client("events")
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        pattern = json.dumps(pattern or {"source": ["wechat-login"]})
        bridge.put_rule(Name=name, EventBusName=bus, EventPattern=pattern)
        target = {"Id": name, "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"}
        bridge.put_targets(Rule=name, EventBusName=bus, Targets=[target])
        self.received = []

    def hear(self):
        """Return every event so far, as EventBridge's envelope."""
        while True:
            answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            for message in messages:
                event = json.loads(message["Body"])
                events.check(event)
                self.received.append(event)
                receipt = message["ReceiptHandle"]
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=receipt)
            if not messages:
                return self.received

    def wait_for(self, number):
        """Wait until there are so many events, and return them."""
        return self.wait_until(lambda received: len(received) >= number)

    def wait_until(self, condition):
        """Wait until the condition is true of all events so far, and return them."""
        until = time.monotonic() + PATIENCE
        while not condition(self.hear()):
            assert time.monotonic() < until, [each["detail-type"] for each in self.received]
            time.sleep(0.05)
        return self.received
