"""Publishing over stream, EventBridge and queue, while calls fail and runs are killed."""

import itertools
import json
import threading

import boto3
import pytest
import requests

from tests.support.consumer import Consumer
from tests.support.fault_proxy import FaultProxy
from wechat_login import wiring

PEOPLE = ("alice", "bob", "carol")


@pytest.fixture
def backend(deployed_with):
    return deployed_with(pages={}, Events="true")


@pytest.fixture
def bus(backend, ministack, monkeypatch):
    """A proxy before AWS, of which PutEvents may fail; it is in the way from now on."""
    assert backend.url
    with FaultProxy(ministack.url).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        wiring.reset()
        yield proxy


def live(backend):
    """Change several users several times, and return what the outbox then has."""
    for name in PEOPLE:
        backend.person(name).register()
    for roles in (["editor"], ["admin"], []):
        for name in PEOPLE:
            openid = backend.person(name).openid
            backend.deployment.invoke("update_user", {"openid": openid, "roles": roles})
    backend.deployment.invoke("erase_user", {"openid": backend.person("bob").openid})
    return outbox(backend)


def outbox(backend):
    """Return the details of the outbox by the events' ids."""
    items = [item for key, item in backend.items().items() if key[0].startswith("EVENT#")]
    details = [json.loads(item["detail"]) for item in items]
    return {detail["id"]: detail for detail in details}


def check(received, written):
    """Check that each event arrived, no other did, and each user's first arrivals are in order."""
    assert {event["detail"]["id"]: event["detail"] for event in received} == written
    first = {event["detail"]["id"]: event["detail"] for event in reversed(received)}
    order = [first[each] for each in dict.fromkeys(event["detail"]["id"] for event in received)]
    order.sort(key=lambda detail: detail["openid"])
    for _, details in itertools.groupby(order, key=lambda detail: detail["openid"]):
        revisions = [detail["revision"] for detail in details]
        assert revisions == sorted(revisions)


def arrive(team, written):
    """Wait until every event has arrived at least once."""
    while True:
        received = team.wait_for(len(team.received) + 1)
        if {event["detail"]["id"] for event in received} >= written.keys():
            return received


def test_what_happens_to_users_arrives_as_it_was_written(backend, team):
    backend.deployment.start_schedules()

    written = live(backend)

    check(arrive(team, written), written)
    assert len(team.hear()) == len(written)


def test_the_demo_sees_what_arrives_and_other_pages_do_not(backend):
    backend.deployment.start_schedules()
    written = live(backend)
    seen = Seen(backend)

    check(arrive(seen, written), written)
    foreign = requests.get(
        f"{backend.url}/local/events", headers={"Origin": "https://evil.example"}, timeout=20
    )
    assert foreign.status_code == 403


class Seen:
    """What the demo sees, in the form of a consumer."""

    def __init__(self, backend):
        self._backend = backend
        self.received = []

    def wait_for(self, _):
        answer = requests.get(f"{self._backend.url}/local/events", timeout=20)
        self.received = answer.json()["events"]
        return self.received


@pytest.mark.parametrize("acts", [False, True], ids=["before", "after"])
def test_a_publisher_that_is_killed_around_putevents_loses_nothing(backend, team, bus, acts):
    written = live(backend)
    # A call whose connection breaks before or after EventBridge has taken the events: like a run
    # that Lambda ends there. Each of its three tries counts.
    bus.fail("PutEvents", times=4, acts=acts)

    backend.deployment.start_schedules()

    received = arrive(team, written)
    check(received, written)
    assert len(received) > len(written) if acts else len(received) == len(written)


def test_what_changes_while_events_are_published_follows(backend, team, bus):
    written = live(backend)
    held = bus.hold("PutEvents")
    backend.deployment.start_schedules()
    assert held.reached.wait(30)

    # Meanwhile the users go on changing.
    backend.person("dora").log_in()
    held.goes_on.set()

    written = outbox(backend)
    check(arrive(team, written), written)


def test_a_throttled_bus_delays_events_and_no_login(backend, team, bus):
    bus.fail("PutEvents")
    backend.deployment.start_schedules()

    written = live(backend)

    assert team.hear() == []
    bus.recover()
    check(arrive(team, written), written)


def test_poison_ends_in_the_queue_and_stops_nobody(backend, team):
    poison = {
        "pk": {"S": f"EVENT#wx#{backend.wechat.openid('alice')}"},
        "sk": {"S": "0000000000000001#user.updated"},
        "detail": {"S": "no JSON"},
    }
    backend.dynamodb.put_item(TableName=backend.table, Item=poison)
    backend.deployment.start_schedules()

    backend.person("alice").register()
    backend.person("bob").log_in()

    kinds = [event["detail-type"] for event in team.wait_for(3)]
    assert sorted(kinds) == ["user.created", "user.created", "user.registered"]
    sqs = boto3.client("sqs")
    (queue,) = [each for each in sqs.list_queues()["QueueUrls"] if "FailedEvents" in each]
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    key = {name: poison[name] for name in ("pk", "sk")}
    assert json.loads(message["Body"]) == {"why": "Unreadable", "key": key}


def test_a_change_that_is_refused_has_no_event(backend, team):
    backend.deployment.start_schedules()
    alice = backend.person("alice")
    alice.log_in()
    alice.tap("no-such-code")
    backend.call("update_account", session=alice.session, nickname=" ")

    team.wait_for(1)
    written = outbox(backend)
    check(team.hear(), written)
    assert len(written) == 1


def test_changes_at_the_same_time_have_one_event_for_each_that_was_written(backend, team):
    alice = backend.person("alice")
    alice.log_in()
    barrier = threading.Barrier(8)

    def change(number):
        barrier.wait()
        backend.call("update_account", session=alice.session, nickname=f"Alice {number}")

    threads = [threading.Thread(target=change, args=(each,)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    backend.deployment.start_schedules()

    written = outbox(backend)
    check(arrive(team, written), written)
    revisions = [detail["revision"] for detail in written.values()]
    assert len(set(revisions)) == len(revisions) == 9


def test_a_bus_of_its_own_gets_the_events(deployed_with):
    backend = deployed_with(Events="true", EventBusName="users")
    other, own = Consumer(), Consumer("own", "users")
    backend.deployment.start_schedules()
    backend.person("alice").log_in()

    assert [event["detail-type"] for event in own.wait_for(1)] == ["user.created"]
    assert other.hear() == []


def test_without_events_there_is_no_stream_and_the_outbox_is_empty(deployed_with):
    backend = deployed_with(pages={})
    live(backend)

    table = backend.dynamodb.describe_table(TableName=backend.table)["Table"]
    assert not table.get("StreamSpecification", {}).get("StreamEnabled")
    assert outbox(backend) == {}
    assert requests.get(f"{backend.url}/local/events", timeout=20).json() == {"events": []}


def test_a_table_of_an_earlier_run_gets_its_stream_and_loses_it_again(deployed_with):
    for events in ("false", "true", "false"):
        backend = deployed_with(Events=events)
        table = backend.dynamodb.describe_table(TableName=backend.table)["Table"]
        has_stream = table.get("StreamSpecification", {}).get("StreamEnabled", False)

        assert str(has_stream).lower() == events
