"""What can go wrong at a call, and where it does in one history.

A fault belongs to a place: the step of the history and the number of the call in that step. So a
history can be repeated with some of its faults only.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

Place = tuple[str, int]  # the step, and the number of its call

# Each with its weight. `before` and `after` mean: before and after the other side acts.
AWS: Mapping[str, int] = {
    "refused": 2,  # no connection
    "timeout before": 2,
    "timeout after": 4,
    "late": 3,  # the request arrives after its sender has given up
    "slow": 3,
    "throttled": 2,
    "conflict": 3,  # TransactionConflict, only for writes
    "error 500 before": 1,
    "error 500 after": 2,
    "outage": 1,  # from this call on
    "killed before": 2,  # the container: SIGKILL
    "killed after": 3,
}
WECHAT: Mapping[str, int] = {
    "refused": 2,
    "timeout before": 2,
    "timeout after": 3,
    "slow": 3,
    "busy": 3,  # errcode -1
    "garbage": 1,
    "garbage after": 1,
    "status 502": 1,
    "token rejected": 4,  # errcode 40001, only for calls with an access token
    "killed before": 1,
    "killed after": 2,
}
INTERNET: Mapping[str, int] = {"answer lost": 1}
KINDS: Mapping[str, Mapping[str, int]] = {
    "dynamodb": AWS,
    "ssm": AWS,
    "wechat": WECHAT,
    "internet": INTERNET,
}
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
UNAUTHORIZED = {"/sns/jscode2session", "/cgi-bin/stable_token"}


@dataclass
class Faults:
    """The faults of one history: by chance with some probability, or only `given` ones."""

    seed: int
    probability: float
    given: Mapping[Place, str] | None = None
    happened: dict[Place, str] = field(default_factory=dict)
    _chances: dict[str, random.Random] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def calm(self) -> None:
        """Let no more faults happen."""
        self.probability, self.given = 0.0, {}

    def draw(self, step: str, service: str, operation: str) -> str | None:
        """Return the fault of a step's next call, or None."""
        number = self._numbers[step] = self._numbers.get(step, -1) + 1
        place = step, number
        kind = (
            self._drawn(step, service, operation) if self.given is None else self.given.get(place)
        )
        if kind is not None and _possible(kind, service, operation):
            self.happened[place] = kind
            return kind
        return None

    def _drawn(self, step: str, service: str, operation: str) -> str | None:
        if not self.probability:
            return None
        if step not in self._chances:
            self._chances[step] = random.Random(f"{self.seed} faults {step}")  # noqa: S311 - a seed decides
        chance = self._chances[step]
        if chance.random() >= self.probability:
            return None
        kinds = {
            kind: weight
            for kind, weight in KINDS[service].items()
            if _possible(kind, service, operation)
        }
        return chance.choices(list(kinds), list(kinds.values()))[0]


def _possible(kind: str, service: str, operation: str) -> bool:
    if kind not in KINDS[service]:
        return False
    if kind == "conflict":
        return operation in WRITES
    return kind != "token rejected" or operation not in UNAUTHORIZED
