"""Another team's service: a rule on the bus, and a queue of its own."""

import json
import time

import boto3

from stack.cloudformation import ACCOUNT, REGION

PATIENCE = 60  # seconds


class Consumer:
    """Receives the events of a bus from now on, as EventBridge delivers them to a queue."""

    def __init__(self, name="team", bus="default"):
        self._sqs, events = boto3.client("sqs"), boto3.client("events")
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        pattern = json.dumps({"source": ["wechat-login"]})
        events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern)
        target = {"Id": name, "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"}
        events.put_targets(Rule=name, EventBusName=bus, Targets=[target])
        self.heard = []

    def hear(self):
        """Return every event so far, as EventBridge's envelope."""
        while True:
            answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            for message in messages:
                self.heard.append(json.loads(message["Body"]))
                receipt = message["ReceiptHandle"]
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=receipt)
            if not messages:
                return self.heard

    def wait_for(self, number):
        """Wait until there are so many events, and return them."""
        until = time.monotonic() + PATIENCE
        while len(self.hear()) < number:
            assert time.monotonic() < until, [each["detail-type"] for each in self.heard]
            time.sleep(0.05)
        return self.heard
