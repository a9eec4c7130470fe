"""Checks the stack: whether it is deployed completely, its release, its event bus, its alarms."""

from collections.abc import Iterator

from ops.doctor.deployment import Deployment
from ops.doctor.finding import FAIL, NOTE, OK, Finding, either
from ops.releases import NEW, live
from ops.stage import CannotGoOn, aws


def check_stack(deployment: Deployment) -> Iterator[Finding]:
    """Check that the stack is deployed completely."""
    try:
        status = deployment.status
    except CannotGoOn as reason:
        yield Finding(FAIL, "stack", str(reason), deployment.deploy)
        return
    if deployment.is_whole:
        yield Finding(OK, "stack", status)
    else:
        yield Finding(FAIL, "stack", status, deployment.way_out)
    for table in deployment.left_tables():
        command = deployment.stage.aws_command
        unprotect = command(
            f"dynamodb update-table --table-name {table} --no-deletion-protection-enabled"
        )
        delete = command(f"dynamodb delete-table --table-name {table}")
        result = f"the first deployment has left {table}, which is empty"
        yield Finding(NOTE, "left table", result, f"{unprotect}, then {delete}")


def check_release(deployment: Deployment) -> Iterator[Finding]:
    """Check that the live release is the deployed release."""
    stage = deployment.stage
    try:
        if stage.is_local or not deployment.is_whole:
            return
    except CannotGoOn:
        return
    deployed = deployment.outputs.get(NEW)
    found = {each.release for each in live(stage)}
    if deployed is None or found == {deployed}:
        return
    result = f"{deployed} was deployed, and live is {', '.join(sorted(found))}"
    yield Finding(
        NOTE, "release", result, f"It was rolled back; deploy a fix with {deployment.deploy}"
    )


def check_events(deployment: Deployment) -> Iterator[Finding]:
    """Check that the bus of the events exists: otherwise EventBridge drops them silently.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
    """
    if deployment.setting_or_none("Events") != "true":
        return
    stage, bus = deployment.stage, deployment.setting_or_none("EventBusName")
    buses = stage.client("events").list_event_buses
    there = aws("looking for the bus", buses, NamePrefix=bus)["EventBuses"]
    found = bus in {each["Name"] for each in there}
    make = stage.aws_command(f"events create-event-bus --name {bus}")
    result = f"publishes on the bus {bus}"
    yield either(found, "events", result, f"there is no bus {bus}", f"Make it: {make}")


def check_alarms(deployment: Deployment) -> Iterator[Finding]:
    """Check that somebody receives the alarms."""
    stage = deployment.stage
    if stage.is_local:
        return
    ask = stage.client("sns").get_topic_attributes
    try:
        topic = deployment.output("AlarmTopicArn")
        subscribed = aws("the alarms' topic", ask, TopicArn=topic)["Attributes"]
    except CannotGoOn as reason:
        yield Finding(NOTE, "alarms", f"unknown: {reason}")
        return
    if int(subscribed["SubscriptionsConfirmed"]):
        yield Finding(OK, "alarms", "somebody receives them")
    elif int(subscribed["SubscriptionsPending"]) or deployment.setting("AlarmEmail"):
        result = "nobody receives them: the subscription has not been confirmed"
        remedy = "Confirm the mail that AWS has sent; after two days, subscribe again in SNS"
        yield Finding(NOTE, "alarms", result, remedy)
    else:
        set_it = "Put AlarmEmail=… into samconfig.toml"
        remedy = f"{set_it}, {deployment.deploy}, and confirm the mail that AWS sends"
        yield Finding(NOTE, "alarms", "nobody receives them", remedy)
