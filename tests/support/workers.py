"""Distributes the tests among the workers of pytest-xdist: a pytest plugin.

A module with a fixture of module scope goes to one worker as a whole, because such a fixture is
slow: it deploys or builds. So do all modules that use the build, and all that use the browser. The
largest groups come first, and then each other test goes to the next worker that is free. xdist's
own groups do nothing with this pytest: https://github.com/pytest-dev/pytest-xdist/issues/1386
"""

from functools import cache

import pytest
from xdist.scheduler import LoadScopeScheduling

from stack.template import ROOT


@pytest.hookimpl
def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


# Modules that read or write .aws-sam/build: one worker runs them, one after another.
OF_THE_BUILD = {
    "tests/deployed/test_deployed.py",
    "tests/ops/test_deploying.py",
    "tests/promises/test_artifact.py",
    "tests/promises/test_build.py",
    "tests/promises/test_weight.py",
}
# One Chromium, which takes seconds to start, is enough for them.
OF_THE_BROWSER = "tests/browser/"


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out whole modules first, and then single tests."""

    def _split_scope(self, nodeid):
        module = nodeid.partition("::")[0]
        if module in OF_THE_BUILD:
            return "build"
        if module.startswith(OF_THE_BROWSER):
            return "browser"
        return module if has_module_fixture(module) else nodeid

    def _pending_of(self, workload):
        # xdist counts every test that a worker has ever had, after each test.
        for scope in [scope for scope, tests in workload.items() if all(tests.values())]:
            del workload[scope]
        return super()._pending_of(workload)


@cache
def has_module_fixture(module):
    return 'scope="module"' in (ROOT / module).read_text("utf-8")
