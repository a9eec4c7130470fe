"""Finds the samples of a run by what was varied."""

from dataclasses import dataclass
from statistics import median

from benchmarks.cpu_share import Share
from benchmarks.measures.cold import ON_FIRST_USE, OUR_SIZE, ColdStart
from benchmarks.measures.warm import Block, Request
from benchmarks.results import Results
from benchmarks.stage import FLOWS

# How the report calls the contestants.
NAMES = {
    "ours": "ours",
    ON_FIRST_USE: "ours, nothing prepared",
    "floor": "floor",
    "plain": "ours, plain sam build",
    "usual": "wechatpy",
    "usual, compiled": "wechatpy, compiled",
    "node": "Node",
}


@dataclass(frozen=True, slots=True)
class Samples:
    """One run's samples; those of one setup stand in the order of the rounds."""

    results: Results

    def contestants(self, function: str) -> list[str]:
        """Return who was started cold for a function, in the report's order."""
        there = {each.setup.contestant for each in self._cold(function)}
        return [name for name in NAMES if name in there]

    def init(self, function: str, contestant: str = "ours") -> list[float]:
        """Return the inits in milliseconds."""
        return [each.init_ms for each in self._cold(function, contestant)]

    def floors_init(self) -> list[float]:
        """Return the floor's inits, a sample a round: they are the same for every flow."""
        each = [self.init(function, "floor") for function in FLOWS.values()]
        return [median(of_a_round) for of_a_round in zip(*each, strict=True)]

    def first(self, function: str, contestant: str = "ours") -> list[float]:
        """Return the first answers in milliseconds."""
        return [each.first_ms for each in self._cold(function, contestant)]

    def whole(self, function: str, contestant: str = "ours") -> list[float]:
        """Return the cold starts, first answer included, in milliseconds."""
        return [each.init_ms + each.first_ms for each in self._cold(function, contestant)]

    def limited(self, contestant: str, memory_mb: int, share: Share = Share.LIMITED) -> list[float]:
        """Return the cold logins at a memory size, first answer included, in milliseconds."""
        return [
            each.init_ms + each.first_ms for each in self.by_memory(contestant, memory_mb, share)
        ]

    def by_memory(
        self, contestant: str, memory_mb: int = OUR_SIZE, share: Share = Share.LIMITED
    ) -> list[ColdStart]:
        """Return the cold logins at a memory size."""
        wanted = (contestant, memory_mb, share)
        return [
            each
            for each in self.results.by_memory
            if (each.setup.contestant, each.setup.memory_mb, each.setup.share) == wanted
        ]

    def warm_cpu(self, flow: str, contestant: str = "ours") -> list[float]:
        """Return the CPU milliseconds of a request, a sample a block, with upstream near."""
        return [block.cpu_ms for block in self.blocks(flow, contestant)]

    def blocks(self, flow: str, contestant: str = "ours", *, far: bool = False) -> list[Block]:
        """Return the blocks of warm requests."""
        return [
            block
            for block in self.results.warm
            if (block.flow, block.contestant, block.latency > 0) == (flow, contestant, far)
        ]

    def requests(self, flow: str, contestant: str = "ours", *, far: bool = False) -> list[Request]:
        """Return all warm requests."""
        blocks = self.blocks(flow, contestant, far=far)
        return [request for block in blocks for request in block.requests]

    def billed(self, flow: str, contestant: str) -> list[Request]:
        """Return the warm requests with the CPU share of our memory size."""
        blocks = [
            each
            for each in self.results.billed
            if (each.flow, each.contestant) == (flow, contestant)
        ]
        return [request for block in blocks for request in block.requests]

    def peak_mb(self) -> float:
        """Return the most memory that any function of ours has had, cold or warm."""
        cold = [each.peak_mb for each in self.results.cold if each.setup.contestant == "ours"]
        warm = [block.peak_mb for flow in FLOWS for block in self.blocks(flow)]
        return max(cold + warm)

    def calls(self, flow: str, contestant: str = "ours") -> tuple[float, float, float]:
        """Return the calls of a warm request: of WeChat, DynamoDB and SSM."""
        requests = self.requests(flow, contestant)
        wechat, dynamodb, ssm = (
            median(request.calls[service] for request in requests)
            for service in ("wechat", "dynamodb", "ssm")
        )
        return wechat, dynamodb, ssm

    def _cold(self, function: str, contestant: str | None = None) -> list[ColdStart]:
        return [
            each
            for each in self.results.cold
            if each.setup.function == function and contestant in {None, each.setup.contestant}
        ]
