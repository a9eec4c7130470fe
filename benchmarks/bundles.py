"""The folders that are measured: what was built, and what it is compared with."""

import compileall
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.container import Command
from benchmarks.places import BUILD, HANDLERS, NODE, WORK

LAYER = BUILD / "Layer" / "python"
SITE_PACKAGES = Path(sysconfig.get_paths()["purelib"])

# What Lambda's own Python brings.
OF_LAMBDA = (
    *("awslambdaric", "runtime_client*", "simplejson", "snapshot_restore_py.py"),
    *("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3"),
)
OF_THE_FLOOR = ("requests", "urllib3", "certifi", "idna", "charset_normalizer")
OF_THE_USUAL = (
    *("wechatpy", "optionaldict", "xmltodict.py", "six.py", "dateutil"),
    *("requests", "urllib3", "certifi", "idna", "charset_normalizer*"),
    *("jwt", "cryptography", "cffi", "_cffi_backend*", "pycparser"),
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A function's folder and its layer's, as Lambda would unpack them."""

    name: str
    task: Path
    layer: Path | None = None

    def command(
        self, handler: str, environment: Mapping[str, str], memory_mb: int, timeout: int
    ) -> Command:
        """Return how Lambda would start a handler of this bundle."""
        if self.name == "node":
            arguments = [str(shutil.which("node")), str(NODE / "bootstrap.mjs")]
            trust = {"NODE_EXTRA_CA_CERTS": str(self.task / "trusted.pem")}
            environment = {**environment, **trust, "_HANDLER": handler}
        else:
            folders = [self.task, self.layer, WORK / "lambda"]
            search_path = ":".join(str(folder) for folder in folders if folder is not None)
            # -S: without the packages of this virtual environment.
            arguments = [sys.executable, "-S", "-m", "awslambdaric", handler]
            environment = {**environment, "PYTHONPATH": search_path}
        return Command(arguments, self.task, environment, memory_mb, timeout)


def make_bundles(certificate: str) -> dict[str, Bundle]:
    """Make all bundles anew; each trusts the certificate like one of a public authority."""
    shutil.rmtree(WORK / "bundles", ignore_errors=True)
    _link(OF_LAMBDA, WORK / "lambda")
    bundles = {
        each.name: each
        for each in (
            _ours("ours", compiled=True),
            _ours("plain", compiled=False),
            _ours("profiled", compiled=True),
            _ours("undone", compiled=True),
            _floor(),
            _usual("usual", compiled=False),
            _usual("usual, compiled", compiled=True),
        )
    }
    for name in ("profiled", "undone"):
        shutil.copy(HANDLERS / name / f"{name}.py", bundles[name].task)
    for authorities in (WORK / "bundles").rglob("certifi/cacert.pem"):
        with authorities.open("a", encoding="ascii") as file:
            file.write(f"\n{certificate}")
    if shutil.which("node") and shutil.which("npm"):
        bundles["node"] = _node(certificate)
    return bundles


def compiled_as_built() -> bool:
    """Tell whether `make build` has compiled the layer for the Python of this run."""
    return any(LAYER.rglob(f"*.{sys.implementation.cache_tag}.pyc"))


def _ours(name: str, *, compiled: bool) -> Bundle:
    folder = WORK / "bundles" / name
    keep_all = compiled and compiled_as_built()
    leave_out = None if keep_all else shutil.ignore_patterns("__pycache__")
    shutil.copytree(LAYER, folder / "layer", ignore=leave_out)
    # All functions ship the same files.
    shutil.copytree(BUILD / "Login", folder / "task", ignore=leave_out)
    if compiled and not keep_all:
        _compile(folder)
    return Bundle(name, folder / "task", folder / "layer")


def _floor() -> Bundle:
    folder = WORK / "bundles" / "floor"
    shutil.copytree(HANDLERS / "floor", folder, ignore=shutil.ignore_patterns("__pycache__"))
    _copy(OF_THE_FLOOR, LAYER, folder)
    _compile(folder)
    return Bundle("floor", folder)


def _usual(name: str, *, compiled: bool) -> Bundle:
    folder = WORK / "bundles" / name
    shutil.copytree(HANDLERS / "usual", folder, ignore=shutil.ignore_patterns("__pycache__"))
    _copy(OF_THE_USUAL, SITE_PACKAGES, folder)
    if compiled:
        _compile(folder)
    return Bundle(name, folder)


def _node(certificate: str) -> Bundle:
    folder, sources = WORK / "bundles" / "node", WORK / "node"
    sources.mkdir(exist_ok=True)
    for source in NODE.iterdir():
        shutil.copy(source, sources)
    lock = (NODE / "package-lock.json").read_text("utf-8")
    installed = sources / "installed"
    if not installed.is_file() or installed.read_text("utf-8") != lock:
        _run("npm", "ci", "--silent", "--no-audit", "--no-fund", folder=sources)
        installed.write_text(lock, "utf-8")
    _run(
        *("npm", "run", "build", "--silent", "--"),
        *("--log-level=error", f"--outfile={folder / 'login.cjs'}"),
        folder=sources,
    )
    (folder / "trusted.pem").write_text(certificate, "ascii")
    return Bundle("node", folder)


def _copy(patterns: Iterable[str], source: Path, target: Path) -> None:
    for pattern in patterns:
        for found in source.glob(pattern):
            if found.is_dir():
                leave_out = shutil.ignore_patterns("__pycache__")
                shutil.copytree(found, target / found.name, ignore=leave_out, dirs_exist_ok=True)
            else:
                shutil.copy(found, target)


def _link(patterns: Iterable[str], target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for pattern in patterns:
        for found in SITE_PACKAGES.glob(pattern):
            (target / found.name).symlink_to(found)


def _compile(folder: Path) -> None:
    compileall.compile_dir(
        folder,
        quiet=2,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def _run(*command: str, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
