"""The build starts without compiling any module, and is the same each time."""

import json
import os
import shutil
from pathlib import Path

import pytest

from ops import runtime
from stack.template import ROOT
from tests.support.built import BUILD
from tests.support.translated import resolver, translated
from tests.support.written import module_of, run, stack

SOURCES = ["layers", "functions", "ops", "stack", "requirements", "samconfig.toml", "template.yaml"]
SOURCES += ["monitoring.yaml"]
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


# In place of SAM CLI, which runs these two Makefiles: all functions share one.
SAM = """#!/bin/sh
set -e
make --silent --directory=layers build-Layer ARTIFACTS_DIR="{build}/Layer"
make --silent --directory=functions build-Login ARTIFACTS_DIR="{build}/Login"
"""


@pytest.fixture(scope="module")
def builds(built, tmp_path_factory):  # noqa: ARG001 - skips or fails without a build
    """The build of `make build`, and another of the same sources for the other processor."""
    folder = tmp_path_factory.mktemp("second")
    build = folder / ".aws-sam" / "build"
    for name in ("Layer", "Login"):
        (build / name).mkdir(parents=True)
    for name in ("Makefile", ".venv", ".local", *SOURCES):
        (folder / name).symlink_to(ROOT / name)
    sam = folder / ".venv-sam" / "bin" / "sam"
    sam.parent.mkdir(parents=True)
    sam.write_text(SAM.format(build=build))
    sam.chmod(0o755)
    (folder / ".venv-sam" / ".sam").touch()
    ran = run(["make", "build", "PARAMETERS=Architecture=arm64"], cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return BUILD, build


def tree(folder):
    """Return every file by its path, with its mode and what is in it.

    Without the files that each processor has of its own: pip unpacks them from pinned wheels.
    """
    return {
        path.relative_to(folder).as_posix(): (
            oct(path.stat().st_mode),
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(folder.rglob("*"))
        if path.suffix != ".so" and not path.match("*.dist-info/WHEEL")
    }


def test_two_builds_give_the_same_files(builds):
    for name in ("Layer", "Login"):
        first, second = (tree(each / name) for each in builds)
        assert first.keys() == second.keys()
        assert [path for path, each in first.items() if each != second[path]] == []


def test_all_functions_ship_the_same_files(builds):
    folders = [tree(builds[0] / function) for function in stack().functions]

    assert [each for each in folders if each != folders[0]] == []


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


def test_a_read_only_artefact_is_imported_without_compiling_any_source(builds, tmp_path):
    if (python := runtime.find()) is None:
        pytest.skip(f"no {runtime.NAME}: nothing is compiled here")
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
        [python, "-I", "-S", "-c", IMPORTING, artefact, of_lambda, *modules],
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


def test_the_layer_is_built_for_the_default_processor_or_the_chosen_one(builds):
    assert stack().parameters["Architecture"] == "x86_64"
    machines = [{machine_of(path) for path in each.rglob("*.so")} for each in builds]
    assert machines == [{0x3E}, {0xB7}]  # EM_X86_64, EM_AARCH64


def test_the_chosen_processor_is_that_of_all_functions_and_of_the_layer():
    document = translated()
    resolve = resolver(document, Architecture="arm64")
    wanted = {
        "AWS::Lambda::Function": "Architectures",
        "AWS::Lambda::LayerVersion": "CompatibleArchitectures",
    }
    found = [
        resolve(each["Properties"][wanted[each["Type"]]])
        for each in document["Resources"].values()
        if each["Type"] in wanted
    ]

    assert len(found) == len(stack().functions) + 1
    assert all(each == ["arm64"] for each in found)


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
