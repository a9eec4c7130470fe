"""The page at /docs: Swagger UI for docs/openapi.yaml, in the browser's language.

A reader can try each route there.
"""

from importlib.util import find_spec
from pathlib import Path

from local.errors import CannotRun
from stack.template import ROOT

# Packaged for Django; we serve its files unchanged, and import nothing of it.
SWAGGER_UI = "drf_spectacular_sidecar"
FILES = ("swagger-ui-bundle.js", "swagger-ui.css")


def pages() -> dict[str, Path]:
    """Return the files of the page by their URL paths."""
    found = find_spec(SWAGGER_UI)
    if found is None or not found.submodule_search_locations:
        raise CannotRun(f"{SWAGGER_UI} is not installed; `make run` installs it")
    package = Path(found.submodule_search_locations[0])
    folder = package / "static" / SWAGGER_UI / "swagger-ui-dist"
    return {
        "/docs": Path(__file__).with_name("api_docs.html"),
        "/docs/openapi.yaml": ROOT / "docs" / "openapi.yaml",
        "/docs/zh/openapi.json": ROOT / "docs" / "zh" / "openapi.json",
        **{f"/docs/{name}": folder / name for name in FILES},
    }
