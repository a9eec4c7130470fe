"""ministack as a whole AWS account: CloudFormation, Lambda, IAM, API Gateway and what they need.

It runs with SAM CLI's interpreter and libraries, because it translates templates with SAM's own
translator. It runs functions with that interpreter too, whichever version it is; so what is shown
here is the template, the permissions and the calls, and not Lambda's Python. That the artefact
starts under Lambda's version is shown by tests/promises/test_artifact.py.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

import boto3
import requests

from local.deployment import aws_environment
from local.emulator import LOCAL_FOLDER, installed
from stack.cloudformation import REGION
from stack.template import ROOT

KEY = "test"  # ministack's root user
READY_SECONDS = 180
# The libraries that neither of the two environments has; `make test` installs them.
BEYOND = LOCAL_FOLDER / "deployed"


class Account:
    """An AWS account on the loopback address."""

    def __init__(self, url):
        self.url = url

    @property
    def environment(self):
        """Return the environment with which a program uses only this account."""
        mine = {name: each for name, each in os.environ.items() if not name.startswith("AWS_")}
        # A make below this one has its own jobs.
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            mine.pop(name, None)
        return {
            **mine,
            **aws_environment(self.url, KEY),
            "AWS_SECRET_ACCESS_KEY": KEY,
        }

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
        )


@contextlib.contextmanager
def account():
    """Run an empty account until the end of the block; IAM is enforced in it."""
    packages = next(installed().parent.parent.glob("lib/python3*/site-packages"))
    inherited = {
        name: each
        for name, each in os.environ.items()
        if not name.startswith(("AWS_", "PYTHON", "MINISTACK"))
        and name not in ("STATE_DIR", "USE_SSL", "SERVICES")
    }
    settings = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "PERSIST_STATE": "0",
        "STATE_DIR": str(Path(tempfile.gettempdir(), "ministack-state")),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": os.pathsep.join([str(packages), str(BEYOND)]),
    }
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [ROOT / ".venv-sam" / "bin" / "python", "-m", "tests.deployed.emulator_process"],
            cwd=ROOT,
            env=inherited | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
        try:
            yield Account(_url_when_ready(process, said))
        finally:
            # It ends when its input is closed, and the functions that it runs end with it.
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _url_when_ready(process, said):
    port = process.stdout.readline().strip().decode()
    until = time.monotonic() + READY_SECONDS
    url = f"http://127.0.0.1:{port}"
    while port and process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(requests.RequestException):
            requests.get(f"{url}/_ministack/ready", timeout=5).raise_for_status()
            return url
        time.sleep(0.1)
    said.seek(0)
    raise RuntimeError(said.read().decode(errors="replace")[-2000:])
