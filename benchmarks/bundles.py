"""The folders that are measured: our build, and the other contestants'."""

import compileall
import py_compile
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.container import Container
from stack.template import ROOT

BUILD = ROOT / ".aws-sam" / "build"
LAYER = BUILD / "Layer" / "python"
HANDLERS = Path(__file__).with_name("handlers")
WORK = ROOT / ".local" / "benchmarks"
SITE_PACKAGES = Path(sysconfig.get_paths()["purelib"])
Source = tuple[Path, tuple[str, ...]]  # a folder, and patterns of the files to remove from it

OURS, OURS_PLAIN = "ours", "ours, plain sam build"
FLOOR = "floor"
WECHATPY, WECHATPY_COMPILED = "wechatpy", "wechatpy, compiled"

# Lambda's own Python has these.
OF_LAMBDA = (
    *("awslambdaric", "runtime_client*", "simplejson", "snapshot_restore_py.py"),
    *("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3"),
)
OF_THE_FLOOR = ("requests", "urllib3", "certifi", "idna", "charset_normalizer")
OF_WECHATPY = (
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

    def container(
        self, handler: str, environment: Mapping[str, str], *, niceness: int = 0
    ) -> Container:
        """Return a container of one handler of this bundle."""
        folders = [self.task, self.layer, WORK / "lambda"]
        search_path = ":".join(str(folder) for folder in folders if folder is not None)
        # -S: without the packages of this virtual environment.
        runtime = [sys.executable, "-S", "-m", "awslambdaric", handler]
        command = ["/usr/bin/nice", f"-n{niceness}", *runtime]
        return Container(command, self.task, {**environment, "PYTHONPATH": search_path})

    def megabytes(self) -> float:
        """Return the unpacked size on Lambda, in megabytes of a million bytes."""
        folders = [folder for folder in (self.task, self.layer) if folder is not None]
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files) / 1e6


def make_bundles(certificate: str) -> dict[str, Bundle]:
    """Make all bundles again; each trusts the certificate like a public authority's."""
    shutil.rmtree(WORK / "bundles", ignore_errors=True)
    _link((SITE_PACKAGES, OF_LAMBDA), WORK / "lambda")
    # All functions of ours ship the same files. `make build` compiles, `sam build` does not.
    layer, task = (LAYER, ("*",)), (BUILD / "Login", ("*",))
    floor = (LAYER, OF_THE_FLOOR), (HANDLERS / FLOOR, ("*",))
    wechatpy = (SITE_PACKAGES, OF_WECHATPY), (HANDLERS / WECHATPY, ("*",))
    bundles = [
        _bundle(OURS, task, layer=layer, compiled=True),
        _bundle(OURS_PLAIN, task, layer=layer),
        _bundle(FLOOR, *floor, compiled=True),
        _bundle(WECHATPY, *wechatpy),
        _bundle(WECHATPY_COMPILED, *wechatpy, compiled=True),
    ]
    for authorities in (WORK / "bundles").rglob("certifi/cacert.pem"):
        with authorities.open("a", encoding="ascii") as file:
            file.write(f"\n{certificate}")
    return {each.name: each for each in bundles}


def _bundle(
    name: str, *sources: Source, layer: Source | None = None, compiled: bool = False
) -> Bundle:
    folder = WORK / "bundles" / name
    for source in sources:
        _copy(source, folder / "task")
    if layer:
        _copy(layer, folder / "layer")
    if compiled:
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(folder, quiet=2, invalidation_mode=mode)
    return Bundle(name, folder / "task", folder / "layer" if layer else None)


def _copy(source: Source, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    leave_out = shutil.ignore_patterns("__pycache__")
    for found in _found(source):
        if found.is_dir():
            shutil.copytree(found, target / found.name, ignore=leave_out)
        else:
            shutil.copy(found, target)


def _link(source: Source, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for found in _found(source):
        (target / found.name).symlink_to(found)


def _found(source: Source) -> list[Path]:
    folder, patterns = source
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    return [path for path in found if path.name != "__pycache__"]
