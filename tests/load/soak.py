"""Soak: mixed flows through the processes of `make run` for a long time, as `make soak` does.

No answer may be an error, and memory and file descriptors must stay flat. Twice WeChat answers
only after six seconds for a while: logins and registrations then fail with a clear error, all
else goes on, and the backend recovers by itself. Prints a report; the exit code is 1 if a rule is
broken. Linux only, because the processes are measured by /proc.
"""

import argparse
import random
import re
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.support.processes import local_processes

chance = random.SystemRandom()

WORKERS = 4
PEOPLE = 240
SAMPLE_SECONDS = 5
# Longer than the functions wait (READ_TIMEOUT).
SLOW_MS = 6000
SLOW_PATHS = ("/sns/jscode2session", "/wxa/business/getuserphonenumber")
# What a client may see while WeChat is slow.
UNAVAILABLE = (502, "wechat_unavailable")
# API Gateway and Lambda end a request at 30 and 28 seconds.
LONGEST_ANSWER = 28
# A user may try five codes in ten minutes.
BETWEEN_TAPS = 200
# Growth between the second and the last quarter that still counts as flat.
FLAT_MEMORY = 0.05
FLAT_DESCRIPTORS = 8
# The process of `make run`; ministack, the emulator, is measured too, but not ours.
OURS = "gateway, handlers, WeChat"


@dataclass(frozen=True, slots=True)
class Answer:
    route: str
    began: float
    seconds: float
    status: int
    code: str | None

    @property
    def is_ok(self) -> bool:
        return self.status == requests.codes.ok


@dataclass(frozen=True, slots=True)
class Sample:
    at: float
    memory: int  # KB, resident
    descriptors: int
    threads: int


@dataclass
class Soak:
    """One run: the addresses, what was answered, and what the processes used."""

    api: str
    wechat: str
    rate: float  # requests a second, of all workers together
    answers: list[Answer] = field(default_factory=list)
    slow: list[tuple[float, float]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def is_slow(self, answer: Answer) -> bool:
        return any(begin <= answer.began <= end for begin, end in self.slow)

    def errors(self) -> list[Answer]:
        """Return the answers that nothing excuses."""
        return [
            each
            for each in self.answers
            if not each.is_ok
            and not (self.is_slow(each) and (each.status, each.code) == UNAVAILABLE)
        ]

    def control(self, action: str, **fields: object) -> Any:
        answer = requests.post(f"{self.wechat}/simulated/{action}", json=fields, timeout=60)
        answer.raise_for_status()
        return answer.json()


class Person:
    """Somebody who opens the mini program, and does one thing or another there."""

    def __init__(self, name: str, soak: Soak, http: requests.Session) -> None:
        self.name = name
        self._soak = soak
        self._http = http
        self._openid = self._session = ""
        self._tapped_at = float("-inf")

    def visit(self) -> None:
        login = self._send("POST", "/login", code=self._code("wx.login"))
        if login is None:
            return
        self._openid, self._session = login["data"]["openid"], login["data"]["session"]
        token = login["data"]["token"]
        if token is None and time.monotonic() > self._tapped_at + BETWEEN_TAPS:
            self._tapped_at = time.monotonic()
            code = self._code("getPhoneNumber")
            registered = self._send("POST", "/phone", openid=self._openid, code=code)
            token = registered and registered["data"]
        self._send("POST", "/token", openid=self._openid)
        if token:
            self._send("GET", "/userinfo", credential=token)
        chance.choice((self._rename, self._look, self._end_a_session, self._verify))()
        chance.choices(
            (self._stay, self._leave, self._leave_everywhere, self._erase), (6, 3, 1, 1)
        )[0]()

    def _rename(self) -> None:
        self._send("PUT", "/account", nickname=f"N {chance.random()}")

    def _look(self) -> None:
        self._send("GET", "/account")

    def _end_a_session(self) -> None:
        shown = self._send("GET", "/account/sessions")
        others = [each["id"] for each in shown["data"] if not each["current"]] if shown else []
        if others:
            self._send("DELETE", f"/account/sessions/{others[0]}", "/account/sessions/{id}")

    def _verify(self) -> None:
        self._send("GET", "/.well-known/jwks.json")

    def _stay(self) -> None:
        """Keep the session: a user has up to ten."""

    def _leave(self) -> None:
        self._send("POST", "/logout")

    def _leave_everywhere(self) -> None:
        self._send("POST", "/logout", everywhere=True)

    def _erase(self) -> None:
        self._send("DELETE", "/account")

    def _code(self, action: str) -> str:
        return str(self._soak.control(action, user=self.name)["code"])

    def _send(
        self, method: str, path: str, route: str = "", *, credential: str = "", **body: object
    ) -> Any:
        """Send a request, note the answer, and return its JSON, or None if it is an error."""
        time.sleep(chance.expovariate(self._soak.rate / WORKERS))
        headers = {"Authorization": f"Bearer {credential or self._session}"}
        began = time.monotonic()
        status, answer = 0, {}
        try:
            response = self._http.request(
                method,
                self._soak.api + path,
                json=None if method == "GET" else body,
                headers={} if path == "/login" else headers,
                timeout=60,
            )
            status, answer = response.status_code, response.json()
        except (requests.RequestException, ValueError) as failure:
            answer = {"error": {"code": type(failure).__name__}}
        code = answer.get("error", {}).get("code") if status != requests.codes.ok else None
        seconds = time.monotonic() - began
        self._soak.answers.append(Answer(f"{method} {route or path}", began, seconds, status, code))
        return answer if status == requests.codes.ok else None


def work(soak: Soak, names: list[str]) -> None:
    """Let these people visit in turn until the run is over."""
    with requests.Session() as http:
        people = [Person(name, soak, http) for name in names]
        while not soak.over.is_set():
            chance.choice(people).visit()


def slow_down(soak: Soak, seconds: float) -> None:
    """Let WeChat answer after six seconds for a while."""
    began = time.monotonic()
    for path in SLOW_PATHS:
        soak.control("faults", path=path, kind="delay", ms=SLOW_MS, times=10_000)
    soak.slow.append((began, float("inf")))
    soak.over.wait(seconds)
    for path in SLOW_PATHS:
        soak.control("faults", path=path, kind="delay", times=0)
    soak.slow[-1] = began, time.monotonic()


def processes_of(pid: int) -> dict[str, int]:
    """Return a process and its descendants by name: the gateway with the handlers, the emulator."""
    found = {OURS: pid}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            command = entry.with_name("cmdline").read_text().split("\0")
        except OSError:
            continue
        if parent == pid:
            found[f"emulator ({command[2]})" if "-m" in command else command[0]] = int(
                entry.parent.name
            )
    return found


def sample(pid: int) -> Sample:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    memory, threads = (
        int(re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[1])
        for name in ("VmRSS", "Threads")
    )
    return Sample(time.monotonic(), memory, len(list(Path(f"/proc/{pid}/fd").iterdir())), threads)


def run(minutes: float, rate: float) -> int:
    """Soak for that long, print the report, and return the exit code."""
    with local_processes() as backend:
        soak = Soak(backend.api, backend.wechat, rate)
        samples = _drive(soak, backend.pid, minutes * 60)
        return report(soak, samples, minutes)


def _drive(soak: Soak, pid: int, seconds: float) -> dict[str, list[Sample]]:
    names = [f"soak-{n}" for n in range(PEOPLE)]
    workers = [
        threading.Thread(target=work, args=(soak, names[n::WORKERS])) for n in range(WORKERS)
    ]
    slow_for = min(60.0, seconds / 10)
    slow = [threading.Timer(seconds * part, slow_down, (soak, slow_for)) for part in (0.3, 0.65)]
    samples: dict[str, list[Sample]] = defaultdict(list)
    watched = processes_of(pid)
    ends_at = time.monotonic() + seconds
    for each in (*workers, *slow):
        each.start()
    try:
        while time.monotonic() < ends_at:
            for name, process in watched.items():
                samples[name].append(sample(process))
            time.sleep(min(SAMPLE_SECONDS, seconds / 20))
    finally:
        soak.over.set()
        for timer in slow:
            timer.cancel()
        for each in (*workers, *slow):
            each.join()
    return samples


def report(soak: Soak, samples: dict[str, list[Sample]], minutes: float) -> int:
    """Print what happened, and return 1 if a rule is broken."""
    errors = soak.errors()
    broken = [f"{each.status} {each.code} from {each.route}" for each in errors]
    print(f"\n{len(soak.answers)} requests in {minutes:g} minutes, {len(errors)} errors\n")
    print("| route | requests | p50 ms | p99 ms |\n| --- | --- | --- | --- |")
    swift = [each for each in soak.answers if each.is_ok and not soak.is_slow(each)]
    for route in sorted({each.route for each in swift}):
        times = sorted(each.seconds * 1000 for each in swift if each.route == route)
        p99 = times[int(len(times) * 0.99)]
        print(f"| `{route}` | {len(times)} | {statistics.median(times):.0f} | {p99:.0f} |")

    print("\n| WeChat answers after 6 s | longest answer | answers | first login afterwards |")
    print("| --- | --- | --- | --- |")
    for began, ended in soak.slow:
        during = [each for each in soak.answers if began <= each.began <= ended]
        longest = max((each.seconds for each in during), default=0)
        said = Counter(f"{each.status} {each.code or ''}".strip() for each in during)
        logins = [each for each in soak.answers if each.route == "POST /login" and each.is_ok]
        first = min(
            (each.began + each.seconds - ended for each in logins if each.began > ended),
            default=None,
        )
        shown = ", ".join(f"{number} times {what}" for what, number in said.most_common())
        after = "never" if first is None else f"{first:.1f} s"
        print(f"| for {ended - began:.0f} s | {longest:.1f} s | {shown} | {after} |")
        if longest > LONGEST_ANSWER:
            broken.append(f"an answer took {longest:.1f} s")
        if first is None:
            broken.append("no login after WeChat was slow")

    print("\n| process | memory MB, at a quarter → end | per hour | descriptors | threads |")
    print("| --- | --- | --- | --- | --- |")
    for name, taken in samples.items():
        warm = taken[len(taken) // 4 :]
        early, late = (part(warm) for part in (_first_quarter, _last_quarter))
        begin, end = (statistics.median(each.memory for each in part) for part in (early, late))
        slope = statistics.linear_regression(
            [each.at for each in warm], [each.memory for each in warm]
        ).slope
        most = [max(each.descriptors for each in part) for part in (early, late)]
        threads = [max(each.threads for each in part) for part in (early, late)]
        print(
            f"| {name} | {begin / 1024:.0f} → {end / 1024:.0f} | {slope * 3600 / 1024:+.1f} |"
            f" {most[0]} → {most[1]} | {threads[0]} → {threads[1]} |"
        )
        if name == OURS and end > begin * (1 + FLAT_MEMORY):
            broken.append(f"{name} grew from {begin} to {end} KB")
        if most[1] > most[0] + FLAT_DESCRIPTORS:
            broken.append(f"{name} went from {most[0]} to {most[1]} descriptors")
    for line, number in Counter(broken).items():
        print(f"\nBROKEN: {line}" + (f", {number} times" if number > 1 else ""))
    print("\n" + ("Broken." if broken else "All rules held."))
    return int(bool(broken))


def _first_quarter(taken: list[Sample]) -> list[Sample]:
    return taken[: max(1, len(taken) // 4)]


def _last_quarter(taken: list[Sample]) -> list[Sample]:
    return taken[-max(1, len(taken) // 4) :]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=8, help="requests a second")
    chosen = parser.parse_args()
    return run(chosen.minutes, chosen.rate)


if __name__ == "__main__":
    sys.exit(main())
