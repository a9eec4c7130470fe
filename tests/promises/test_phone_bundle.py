"""The shipped browser demo was built from the present sources, including the example's."""

import hashlib
import json
from pathlib import Path

from demo import PAGES

ROOT = Path(__file__).resolve().parents[2]
PHONE = ROOT / "demo"
DIST = PHONE / "dist"
MANIFEST = json.loads((DIST / "manifest.json").read_text("utf-8"))
# build.mjs has the same list.
SOURCES = {".js", ".mjs", ".json", ".css", ".html", ".wxml", ".wxss"}
REBUILD = "rebuild it: cd demo && npm ci && npm run build"


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def sources():
    for folder in (PHONE, ROOT / "examples" / "mini-program"):
        for file in folder.rglob("*"):
            inside = file.relative_to(folder).parts
            if file.suffix in SOURCES and not {"node_modules", "dist"} & set(inside):
                yield file


def test_the_bundle_is_as_new_as_its_sources():
    here = {file.relative_to(ROOT).as_posix(): digest(file) for file in sources()}
    built_from = MANIFEST["sources"]
    changed = {name for name in here | built_from if here.get(name) != built_from.get(name)}
    assert not changed, f"demo/dist is older than {', '.join(sorted(changed))}; {REBUILD}"


def test_the_bundle_is_what_the_build_wrote():
    shipped = {file.name: digest(file) for file in DIST.iterdir() if file.name != "manifest.json"}
    assert shipped == MANIFEST["built"], REBUILD


def test_every_built_file_is_served():
    assert {file.name for file in PAGES.values()} == MANIFEST["built"].keys()


def test_the_lock_file_names_no_host_to_download_from():
    packages = json.loads((PHONE / "package-lock.json").read_text("utf-8"))["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
