"""Attack: Schemathesis sends the API of `make run` thousands of requests, as `make attack` does.

Half of them fit docs/openapi.yaml, half break it in one place. No answer may be a server error, and
each must have a status, headers and a body that the file describes. Prints Schemathesis's report;
its exit code is the result.
"""

import argparse
import os
import subprocess
import sys

from stack.template import ROOT
from tests.support.processes import local_processes

SCHEMATHESIS = ROOT / ".local" / "attack" / "bin" / "schemathesis"
HOOKS = "tests.load.schemathesis_hooks"
# API Gateway answers 404 to a method without a route, not 405.
LEFT_OUT = "unsupported_method"
CONFIG = ROOT / "tests" / "load" / "schemathesis.toml"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("--examples", type=int, default=500, help="cases for each operation")
    chosen = parser.parse_args()
    with local_processes() as backend:
        command = [
            *(SCHEMATHESIS, "--config-file", CONFIG, "run", ROOT / "docs" / "openapi.yaml"),
            *(
                "--url",
                backend.api,
                "--checks",
                "all",
                "--exclude-checks",
                LEFT_OUT,
                "--max-examples",
                str(chosen.examples),
            ),
            *("--generation-database", "none", "--continue-on-failure", "--no-color"),
        ]
        where = {"API": backend.api, "WECHAT": backend.wechat, "SCHEMATHESIS_HOOKS": HOOKS}
        environment = {**os.environ, **where, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
