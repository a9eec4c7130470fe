"""`python -m ops.doctor STAGE`: checks a deployment, and prints one line for each result.

A line begins with `ok`, with `note` for useful facts, or with `FAIL`; then the line names the
remedy, and the exit code is 1. Nothing is changed, but for WeChat's access token being renewed.
With `--rid RID` it explains instead the call that WeChat refused under this id.
"""

# ruff: noqa: T201 - a command line's module
import argparse
import sys

from ops.doctor.deployment import Deployment
from ops.doctor.examination import examine
from ops.doctor.finding import FAIL
from ops.doctor.mini_programs import MiniPrograms
from ops.stage import CannotGoOn, find


def main() -> int:
    """Print the results; return 0 if nothing has failed."""
    parser = argparse.ArgumentParser(prog="python -m ops.doctor", description=__doc__)
    parser.add_argument("stage")
    parser.add_argument(
        "--api", metavar="URL", help="the API's URL, if it differs from the stack's output"
    )
    parser.add_argument("--rid", help="explain this call of WeChat's API, and check nothing")
    arguments = parser.parse_args()
    try:
        deployment = Deployment(find(arguments.stage), arguments.api)
    except CannotGoOn as reason:
        print(f"make doctor: {reason}", file=sys.stderr)
        return 1
    if arguments.rid:
        for finding in MiniPrograms(deployment).explain(arguments.rid):
            print(finding)
        return 0
    failed = 0
    for finding in examine(deployment):
        print(finding, flush=True)
        failed += finding.grade == FAIL
    print(f"\n{failed} to fix." if failed else "\nAll is well.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
