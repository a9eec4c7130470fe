"""What the measurements were made on."""

import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    *("awslambdaric", "boto3", "requests", "pycryptodome", "pyjwt", "aws-lambda-powertools"),
    *("wechatpy", "cryptography"),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and the programs, at the time of a run."""

    cpu: str
    cores: int
    memory_gb: int
    system: str
    load: str  # the average of a minute, before the run
    began: str
    python: str
    node: str
    packages: dict[str, str]


def this_machine() -> Machine:
    """Look at this machine now."""
    processors = _fields("/proc/cpuinfo")
    memory = _fields("/proc/meminfo")
    node = shutil.which("node")
    return Machine(
        cpu=next((value for name, value in processors if name == "model name"), "unknown"),
        cores=sum(name == "processor" for name, _ in processors),
        memory_gb=round(int(dict(memory)["MemTotal"].split()[0]) / 1024**2),
        system=f"Linux {platform.release().partition('-')[0]}, {platform.machine()}",
        load=Path("/proc/loadavg").read_text("ascii").split()[0],
        began=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        python=sys.version.split()[0],
        node=_said(node, "--version") if node else "",
        packages={package: version(package) for package in PACKAGES},
    )


def _fields(path: str) -> list[tuple[str, str]]:
    lines = Path(path).read_text("utf-8").splitlines()
    pairs = [line.partition(":") for line in lines if ":" in line]
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _said(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout.strip()
