"""A phone with the mini program, by the rules of examples/mini-program/utils/session.js."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.simulation.world import OK, Answer, World

T = TypeVar("T")

NEEDS_LOGIN = {"session_required", "session_invalid"}
LONGEST_WAIT = 5
REPEATED_STATUSES = {502, 503, 504}


class Failed(Exception):
    """A call failed, as the page would see it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status, answer.error)
        self.answer = answer


@dataclass
class Phone:
    """One device of a person, in one mini program."""

    world: World
    user: str
    appid: str
    session: str | None = None
    openid: str = ""
    token: str | None = None
    logged_out: bool = False
    code: str = ""  # the last phone code, used or not

    def log_in(self, *, wait: float = 0.0) -> None:
        """Log in, once more with a new code if the first was rejected. Raises `Failed`."""
        try:
            data = self._log_in(wait)
        except Failed as failure:
            if failure.answer.error == "code_rejected" or self._waits(failure.answer):
                data = self._log_in(0.0)
            else:
                raise
        self.openid, self.session, self.token = data["openid"], data["session"], data["token"]
        self.logged_out = False

    def _log_in(self, wait: float) -> Any:
        code = self.world.wechat.login_code(self.user, self.appid)
        self.world.scheduler.wait(wait)
        return self.exchange(code)

    def exchange(self, code: str) -> Any:
        """Send a login code."""
        headers = {"referer": f"https://servicewechat.com/{self.appid}/1/page-frame.html"}
        self.world.invariants.secrets[code] = "login code"
        return self._ok(self.world.http("POST", "/login", {"code": code}, headers=headers)).data

    def ask(self, method: str, path: str, body: object = None, route: str | None = None) -> Answer:
        """Call with the session. Raises `Failed`."""
        return self._ok(
            self.world.http(method, path, body, route=route, bearer=self.session or "none")
        )

    def with_session(self, call: Callable[[], T], lost: float | None = None) -> T:
        """Call and, if the session has ended, log in and call once more. Raises `Failed`."""
        if self.session is None:
            self.log_in()
        used = self.session
        try:
            return self._with_one_repeat(call, lost)
        except Failed as failure:
            if failure.answer.error not in NEEDS_LOGIN:
                raise
        if self.session == used:
            self.log_in()
        return self._with_one_repeat(call, lost)

    def look_up(self) -> str | None:
        """Ask for the app token, as the page does when it is shown."""
        answer = self.with_session(lambda: self.ask("POST", "/token", {"openid": self.openid}))
        self.token = answer.data
        return self.token

    def tap(self) -> str:
        """Tap the phone button, and return the code."""
        grant = self.world.wechat.phone_code(self.user, self.appid)
        self.code = grant["code"]
        self.world.invariants.secrets[self.code] = "phone code"
        return self.code

    def register(self, code: str) -> None:
        """Send a phone code, or the receipt that replaces it. Raises `Failed`."""
        proof = {"code": code}

        def send() -> Answer:
            nonlocal proof
            try:
                return self.ask("POST", "/phone", {"openid": self.openid, **proof})
            except Failed as failure:
                body = failure.answer.body
                error = body.get("error", {}) if isinstance(body, dict) else {}
                if isinstance(error, dict) and error.get("receipt"):
                    proof = {"receipt": error["receipt"]}
                    self.world.receipts.append(error["receipt"])
                raise

        self.token = self.with_session(send, lost=1.0).data

    def _with_one_repeat(self, call: Callable[[], T], lost: float | None) -> T:
        try:
            return call()
        except Failed as failure:
            answer = failure.answer
            wait: float | None = answer.retry_after
            if wait is None and (answer.status == 0 or answer.status in REPEATED_STATUSES):
                wait = lost
            if wait is None or wait > LONGEST_WAIT:
                raise
        self.world.scheduler.wait(wait)
        return call()

    def _waits(self, answer: Answer) -> bool:
        if answer.retry_after is None or answer.retry_after > LONGEST_WAIT:
            return False
        self.world.scheduler.wait(answer.retry_after)
        return True

    def _ok(self, answer: Answer) -> Answer:
        if answer.status != OK:
            raise Failed(answer)
        return answer
