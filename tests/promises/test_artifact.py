"""The build starts without compiling any module, and is the same each time."""

import json
import os
import shutil
from pathlib import Path

import pytest

from local.emulator import LOCAL_FOLDER
from ops import runtime
from ops.releases import BUILT, PARAMETERS, RELEASED
from stack.template import ROOT
from tests.support.built import BUILD
from tests.support.translated import SAM_BIN
from tests.support.written import module_of, run, stack

# Lambda's own libraries, which the artefact does not ship.
OF_LAMBDA = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six")
# Python tells an audit hook of every source that it compiles.
IMPORTING = """
import importlib, sys
compiled = []
def hook(event, arguments):
    if event == "compile" and isinstance(arguments[1], (str, bytes)):
        compiled.append(arguments[1] if isinstance(arguments[1], str) else arguments[1].decode())
artefact, of_lambda, *modules = sys.argv[1:]
sys.path[:0] = [artefact + "/task", artefact + "/layer/python", of_lambda]
sys.addaudithook(hook)
for name in modules:
    importlib.import_module(name)
print([name for name in compiled if name.endswith(".py") and of_lambda not in name])
print(sys.modules["wechat_login.api"].__file__, sys.modules["wechat_login.api"].__cached__)
"""


@pytest.fixture(scope="module")
def builds(built, tmp_path_factory):  # noqa: ARG001 - skips or fails without a build
    """The build of `make build`, and another of the same sources in another folder."""
    folder = tmp_path_factory.mktemp("second") / "build"
    ran = run(
        [SAM_BIN / "sam", "build", "--region", "us-east-1", "--build-dir", folder],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHON": str(ROOT / ".venv" / "bin" / "python"),
            "RUNTIME_PYTHON": str(runtime.find() or "no-such-python"),
            "ARCHITECTURE": "x86_64",
            "SAM_CLI_TELEMETRY": "0",
            # From the wheels that `make test` downloaded.
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(LOCAL_FOLDER / "wheels"),
        },
    )
    assert ran.returncode == 0, ran.stderr
    return BUILD, folder


def tree(folder):
    """Return every file by its path, with its mode and what is in it."""
    return {
        path.relative_to(folder).as_posix(): (
            oct(path.stat().st_mode),
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(folder.rglob("*"))
        # SAM writes the paths of its build folder into the template, and `make deploy` adds files.
        if path.name not in {BUILT.name, RELEASED.name, PARAMETERS.name}
    }


def test_two_builds_give_the_same_files(builds):
    first, second = map(tree, builds)

    assert first.keys() == second.keys()
    assert [name for name, each in first.items() if each != second[name]] == []


def test_every_source_is_shipped_with_its_bytecode_or_none_is(builds):
    sources = set(builds[0].rglob("*.py"))
    compiled = set(builds[0].rglob("*.pyc"))
    tag = "cpython-{}{}".format(*runtime.VERSION)
    wanted = {path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc" for path in sources}

    assert sources
    assert compiled == (wanted if runtime.find() else set())


def test_bytecode_is_valid_for_any_dates(builds):
    # PEP 552: bit 0 says that it is checked by hash and not by date, bit 1 that it is checked.
    flags = {path.read_bytes()[4:8] for path in builds[0].rglob("*.pyc")}

    assert flags <= {b"\x01\x00\x00\x00"}


@pytest.mark.skipif(runtime.find() is None, reason=f"no {runtime.NAME}: nothing is compiled here")
def test_a_read_only_artefact_is_imported_without_compiling_any_source(builds, tmp_path):
    artefact, of_lambda = tmp_path / "artefact", tmp_path / "of_lambda"
    shutil.copytree(builds[0] / "Layer", artefact / "layer")
    shutil.copytree(builds[0] / "Login", artefact / "task")
    of_lambda.mkdir()
    for name in OF_LAMBDA:
        link_to_installed(name, of_lambda)
    freeze(artefact)

    modules = [module_of(each) for each in stack().functions]
    ran = run(
        # Neither this machine's site-packages, nor its environment, nor a working directory.
        [runtime.find(), "-I", "-S", "-c", IMPORTING, artefact, of_lambda, *modules],
        env={},
    )

    assert ran.returncode == 0, ran.stderr
    sources, where = ran.stdout.splitlines()
    assert json.loads(sources.replace("'", '"')) == []
    assert where.startswith(f"{artefact}/layer/python/wechat_login/")
    assert not os.access(artefact, os.W_OK) or os.geteuid() == 0


def link_to_installed(name, folder):
    installed = next((ROOT / ".venv" / "lib").glob("python3*/site-packages"))
    for path in (installed / name, installed / f"{name}.py"):
        if path.exists():
            (folder / path.name).symlink_to(path)


def freeze(folder):
    for path in (*folder.rglob("*"), folder):
        path.chmod(path.stat().st_mode & 0o555)


def test_the_layer_is_built_for_the_default_processor(builds):
    assert stack().parameters["Architecture"] == "x86_64"
    assert {machine_of(path) for path in builds[0].rglob("*.so")} == {0x3E}  # EM_X86_64


def machine_of(library: Path):
    """Return e_machine of an ELF file's header."""
    return int.from_bytes(library.read_bytes()[18:20], "little")


def test_the_layer_ships_what_is_needed_and_lambdas_own_libraries_are_not(builds):
    shipped = {path.name for path in (builds[0] / "Layer" / "python").iterdir()}

    assert not shipped & {"boto3", "botocore", "bin"}
    assert not (builds[0] / "Layer" / "python" / "Crypto" / "SelfTest").exists()


def test_a_missing_runtime_python_gives_a_warning(tmp_path):
    ran = run(
        [ROOT / ".venv" / "bin" / "python", "-S", "-m", "ops.runtime"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)},
    )

    assert ran.returncode == 0
    if ran.stdout == "":
        (line,) = ran.stderr.splitlines()
        assert line.startswith("warning: no python3.13 here")


def test_a_shim_that_fails_is_no_interpreter(tmp_path):
    shim = tmp_path / runtime.NAME
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    ran = run(
        [ROOT / ".venv" / "bin" / "python", "-S", "-m", "ops.runtime"],
        cwd=ROOT,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
    )

    assert str(shim) not in ran.stdout
