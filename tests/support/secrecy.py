"""Remembers every secret of a test run and finds where one has come out: a pytest plugin.

Secrets are kept while the tests run; what the code prints, logs and answers is overheard. At the
end of the run the two are compared, and the run fails where they meet. What is reported is the
place and the kind of a secret, never the secret.

With pytest-xdist each worker hands what it kept and overheard to the controller, which compares.
"""

import logging
import re
from urllib.parse import quote

import pytest

from wechat_login.invocation import SERVICE

# So much of a secret, from its beginning, is a leak: a mainland number has no more.
TELLING = 11


def pytest_configure(config):
    # The controller hears the reports of all workers.
    secrecy = Secrecy(reports=not hasattr(config, "workerinput"))
    config.pluginmanager.register(secrecy, "secrecy")
    # Lambda's own root level. At DEBUG urllib3 would log addresses, which the layer must prevent.
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    # Powertools' logger does not pass its records on to the handlers of the root.
    for name in (None, SERVICE):
        logging.getLogger(name).addHandler(Overhearing(secrecy))


class Secrecy:
    def __init__(self, *, reports=True):
        self._hears_reports = reports
        self._beginnings: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._overheard: list[tuple[str, str, bool]] = []
        self.found: list[str] = []

    def keep(self, kind, *secrets):
        """From now on none of these may be in a log line or in an answer."""
        for secret in secrets:
            if len(secret) < TELLING:
                raise ValueError(f"a {kind} of {len(secret)} characters could be anything")
            for form in (secret, quote(secret, safe="")):
                self._beginnings[form[:TELLING]] = kind

    def keep_out_of_the_log(self, kind, *names):
        """These may be told to whom they concern; a log line masks them."""
        for name in names:
            self._names[name[:TELLING]] = kind

    def overhear(self, where, text, *, is_log):
        self._overheard.append((where, text, is_log))

    @property
    def overheard(self):
        return [text for _, text, _ in self._overheard]

    def leaks(self):
        """Tell where a secret has come out, and of which kind it is."""
        found = set()
        for where, text, is_log in self._overheard:
            wanted = {**self._names, **self._beginnings} if is_log else self._beginnings
            windows = {text[at : at + TELLING] for at in range(len(text) - TELLING + 1)}
            found |= {f"a {wanted[each]} in {where}" for each in windows & wanted.keys()}
        return sorted(found)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report):
        # The teardown's report has what was captured in all three phases.
        if self._hears_reports and report.when == "teardown":
            for title, text in report.sections:
                self.overhear(f"{report.nodeid}, {title}", text, is_log=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        """Merge what a worker kept and overheard; a worker that crashed fails the run anyway."""
        kinds, names, overheard = getattr(node, "workeroutput", {}).get("secrecy", ({}, {}, []))
        self._beginnings |= kinds
        self._names |= names
        self._overheard += overheard

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workeroutput"):
            kept = (self._beginnings, self._names, self._overheard)
            session.config.workeroutput["secrecy"] = kept
            return
        self.found = self.leaks()
        if self.found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter):
        if self.found:
            terminalreporter.section("secrets came out", red=True)
            for leak in self.found:
                terminalreporter.line(leak)


class Overhearing(logging.Handler):
    """Hands every log record on: its text, its fields, and its traceback if it has one."""

    def __init__(self, secrecy):
        super().__init__(logging.DEBUG)
        self._secrecy = secrecy

    def emit(self, record):
        text = logging.Formatter().format(record)
        self._secrecy.overhear(
            f"log record of {record.name}", f"{text} {vars(record)}", is_log=True
        )


def private_parts(parameter):
    """Find in an SSM parameter's value what must never be seen; a key's public parts may."""
    private = re.sub(r'"(kid|n)": ?"[^"]*"', "", parameter)
    return re.findall(r"[A-Za-z0-9+/=_-]{22,}", private)
