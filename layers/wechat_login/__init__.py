"""The login backend of WeChat Mini Programs."""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType


def on_first_use(room: str) -> Callable[[str], ModuleType]:
    """Return the `__getattr__` (PEP 562) of a room, which loads its modules on first use."""

    def load(module: str) -> ModuleType:
        if module.startswith("__"):
            raise AttributeError(module)
        return import_module(f"{room}.{module}")

    return load
