"""Records every secret of a test run and reports leaks: a pytest plugin.

The plugin records secrets, and the code's output, log and answers. At the end of the run it
compares them, and the run fails if a secret leaked. The report has the place and the kind of a
secret, never the secret.

With pytest-xdist each worker passes its records to the controller, which compares them.
"""

import logging
import re
from urllib.parse import quote

import pytest

from wechat_login.invocation import SERVICE

# The shortest prefix of a secret that counts as a leak: the length of a mainland number.
DISTINCTIVE = 11


def pytest_configure(config):
    # The controller gets the reports of all workers.
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
        self._gets_reports = reports
        self._prefixes: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._captured: list[tuple[str, str, bool]] = []
        self.found: list[str] = []

    def keep(self, kind, *secrets):
        """Report these from now on in log lines and answers."""
        for secret in secrets:
            if len(secret) < DISTINCTIVE:
                raise ValueError(f"a {kind} of {len(secret)} characters could be anything")
            for form in (secret, quote(secret, safe="")):
                self._prefixes[form[:DISTINCTIVE]] = kind

    def keep_out_of_the_log(self, kind, *names):
        """Report these in log lines only: their owners may see them in answers."""
        for name in names:
            self._names[name[:DISTINCTIVE]] = kind

    def overhear(self, where, text, *, is_log):
        self._captured.append((where, text, is_log))

    @property
    def captured(self):
        return [text for _, text, _ in self._captured]

    def leaks(self):
        """Return the place and kind of each leaked secret."""
        of_logs = {**self._names, **self._prefixes}
        if not of_logs:
            return []
        # A secret lies within a run of characters that secrets have. Most runs are repeated.
        characters = re.escape("".join({each for prefix in of_logs for each in prefix}))
        runs = re.compile(f"[{characters}]{{{DISTINCTIVE},}}")
        found: set[str] = set()
        harmless: set[str] = set()
        for where, text, is_log in set(self._captured):
            wanted = of_logs if is_log else self._prefixes
            for run in set(runs.findall(text)) - harmless:
                windows = {run[at : at + DISTINCTIVE] for at in range(len(run) - DISTINCTIVE + 1)}
                found |= {f"a {wanted[each]} in {where}" for each in windows & wanted.keys()}
                if windows.isdisjoint(of_logs):
                    harmless.add(run)
        return sorted(found)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report):
        # The teardown's report has what was captured in all three phases.
        if self._gets_reports and report.when == "teardown":
            for title, text in report.sections:
                self.overhear(f"{report.nodeid}, {title}", text, is_log=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        """Merge what a worker kept and captured; a worker that crashed fails the run anyway."""
        kinds, names, captured = getattr(node, "workeroutput", {}).get("secrecy", ({}, {}, []))
        self._prefixes |= kinds
        self._names |= names
        self._captured += captured

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workeroutput"):
            kept = (self._prefixes, self._names, self._captured)
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
    """Passes on every log record: its text, its fields, and its traceback, if any."""

    def __init__(self, secrecy):
        super().__init__(logging.DEBUG)
        self._secrecy = secrecy

    def emit(self, record):
        text = logging.Formatter().format(record)
        self._secrecy.overhear(
            f"log record of {record.name}", f"{text} {vars(record)}", is_log=True
        )


def private_parts(parameter):
    """Return the secret parts of an SSM parameter's value; a key's public parts are not secret."""
    private = re.sub(r'"(kid|n)": ?"[^"]*"', "", parameter)
    return re.findall(r"[A-Za-z0-9+/=_-]{22,}", private)
