"""Continuous integration has few permissions, only pinned actions, and runs all tests."""

import re
import tomllib

import pytest
import yaml

from ops import runtime
from stack.template import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


@each_workflow
def test_a_workflow_has_no_permission_but_its_jobs(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))

    assert workflow["permissions"] == {}
    assert [job["permissions"] for job in workflow["jobs"].values()] == [{"contents": "read"}]


@each_workflow
def test_an_action_is_pinned_by_its_commit(path):
    used = re.findall(r"uses: (.+)", path.read_text("utf-8"))

    assert used
    assert [
        each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", each)
    ] == []


def test_the_gate_runs_on_the_oldest_python_and_on_lambdas():
    (job,) = yaml.safe_load(WORKFLOWS[0].read_text("utf-8"))["jobs"].values()
    oldest = PROJECT["requires-python"].removeprefix(">=")

    assert job["strategy"]["matrix"]["python"] == [oldest, "{}.{}".format(*runtime.VERSION)]
    assert [each["run"] for each in job["steps"] if "run" in each][-1] == ".ci/run"
