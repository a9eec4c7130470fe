"""The browser demo at the local API's `/`: built static files, which need no Node."""

from collections.abc import Mapping
from pathlib import Path

_BUILT = Path(__file__).with_name("dist")

PAGES: Mapping[str, Path] = {
    "/": _BUILT / "index.html",
    **{
        f"/phone/{name}": _BUILT / name
        for name in (
            "demo.css",
            "demo.js",
            "glass-easel.LICENSE.txt",
            "screen.css",
            "screen.html",
            "screen.js",
        )
    },
}
