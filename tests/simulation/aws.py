"""What the layer sees of AWS: botocore's two clients, with botocore's retries, over a bad network.

Each call waits twice: before the other side acts, and before its answer is seen. In between the
scheduler runs the other tasks.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from tests.support.dynamodb import Operations, error

if TYPE_CHECKING:
    from botocore.config import Config

    from tests.simulation.world import Sender, World

# botocore's standard mode repeats these, and an answer with one of these statuses.
# https://docs.aws.amazon.com/boto3/latest/guide/retries.html#standard-retry-mode
REPEATED = {"ThrottlingException", "ProvisionedThroughputExceededException"}
REPEATED_STATUSES = {500, 502, 503, 504}
LONGEST_PAUSE = 20.0
# A transaction's token makes its repetition harmless; botocore adds it.
WITH_TOKEN = "TransactWriteItems"


class Aws:
    """botocore's session in one container."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def register_component(self, name: str, component: object) -> None:
        """Do nothing: there are no models to load."""

    def create_client(self, service: str, *, config: "Config") -> "DynamoDBClient | SSMClient":
        """Return a client with the tries and the timeout of `config`."""
        chosen: Any = config
        tries, timeout = chosen.retries["total_max_attempts"], chosen.read_timeout
        made = DynamoDBClient if service == "dynamodb" else SSMClient
        return made(self._world, service, tries, timeout)


class _Client:
    def __init__(self, world: "World", service: str, tries: int, timeout: float) -> None:
        self._world = world
        self._service = service
        self._tries = tries
        self._timeout = timeout

    def _call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        world = self._world
        if operation == WITH_TOKEN:
            request = {**request, "ClientRequestToken": f"{world.chance.getrandbits(128):032x}"}
        for further in range(self._tries - 1, -1, -1):
            try:
                return self._once(operation, request)
            except (ClientError, ConnectTimeoutError, ReadTimeoutError) as failure:
                if not further or not _is_repeated(failure):
                    raise
            pause = 2.0 ** (self._tries - 1 - further)
            world.wait(min(LONGEST_PAUSE, pause) * world.chance.random())
        raise AssertionError("a client makes one try at least")

    def _once(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        world, sender = self._world, self._world.sender
        kind = world.fault(self._service, operation) or ""
        self._go(kind, operation, request, sender)
        try:
            answer = world.act(self._service, operation, request, sender)
        finally:
            if kind == "killed after":
                world.kill()
        if kind == "timeout after":
            self._time_out()
        if kind == "error 500 after":
            raise _server_error(operation)
        world.wait(world.latency())
        return answer

    def _go(self, kind: str, operation: str, request: Mapping[str, Any], sender: "Sender") -> None:
        """Take the request to the other side, or fail before it acts."""
        world = self._world
        slow = self._timeout * world.chance.random() if kind == "slow" else 0.0
        world.wait(world.latency() + slow)
        match kind:
            case "killed before":
                world.kill()
            case "refused" | "outage":
                world.wait(1.0)
                raise ConnectTimeoutError(endpoint_url=self._service)
            case "timeout before":
                self._time_out()
            case "late":
                seconds = self._timeout + 10 * world.chance.random() ** 2
                act = partial(self._act_late, operation, request, sender)
                world.scheduler.call_later(seconds, act)
                self._time_out()
            case "throttled":
                raise error(operation, "ProvisionedThroughputExceededException")
            case "conflict":
                raise _conflict(operation, request)
            case "error 500 before":
                raise _server_error(operation)

    def _time_out(self) -> NoReturn:
        self._world.wait(self._timeout)
        raise ReadTimeoutError(endpoint_url=self._service)

    def _act_late(self, operation: str, request: Mapping[str, Any], sender: "Sender") -> None:
        try:
            self._world.act(self._service, operation, request, sender)
        except ClientError:
            return  # Nobody reads the answer.


class DynamoDBClient(_Client, Operations):
    """botocore's client of DynamoDB."""


class SSMClient(_Client):
    """The operations of SSM that the layer uses."""

    def get_parameters(self, **request: Any) -> dict[str, Any]:
        return self._call("GetParameters", request)

    def put_parameter(self, **request: Any) -> dict[str, Any]:
        return self._call("PutParameter", request)


def _is_repeated(failure: Exception) -> bool:
    if not isinstance(failure, ClientError):
        return True
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    return failure.response["Error"]["Code"] in REPEATED or status in REPEATED_STATUSES


def _server_error(operation: str) -> ClientError:
    return error(operation, "InternalServerError", ResponseMetadata={"HTTPStatusCode": 500})


def _conflict(operation: str, request: Mapping[str, Any]) -> ClientError:
    if operation != "TransactWriteItems":
        return error(operation, "TransactionConflictException")
    reasons = [{"Code": "None"} for _ in request["TransactItems"]]
    reasons[0] = {"Code": "TransactionConflict"}
    return error(operation, "TransactionCanceledException", CancellationReasons=reasons)
