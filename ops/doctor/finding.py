"""The result of a check."""

from dataclasses import dataclass

from wechat_login.errors import LoginError

OK, NOTE, FAIL = "ok", "note", "FAIL"


@dataclass(frozen=True)
class Finding:
    """The result of one check: `ok`, a `note` of something useful, or `FAIL` with a remedy."""

    grade: str
    what: str
    result: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return the line that a person reads."""
        line = f"{self.grade:5} {self.what}: {self.result}"
        return f"{line}. {self.remedy}" if self.remedy else line


def either(good: bool, what: str, result: str, wrong: str, remedy: str) -> Finding:
    """Return `ok` with `result`, or `FAIL` with `wrong` and the remedy."""
    return Finding(OK, what, result) if good else Finding(FAIL, what, wrong, remedy)


def unknown(what: str, refusal: LoginError) -> Finding:
    """Return a note that WeChat gives no information, which is no fault of the deployment."""
    facts = refusal.facts
    if "errcode" not in facts:
        found = f"cannot tell: no answer of WeChat's ({facts.get('why', refusal.code)})"
        return Finding(NOTE, what, found, "Can this machine reach WeChat's address, WeChatUrl?")
    rid = f", rid {facts['rid']}" if "rid" in facts else ""
    found = f"cannot tell: WeChat says {facts['errcode']}{rid}"
    return Finding(NOTE, what, found, "docs/troubleshooting.md says what that means")
