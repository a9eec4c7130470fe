"""The real layer and the real functions, with the simulation's clock, chance and network.

Each module of ours is loaded from its file with an `import` of its own: `time`, `random`,
`secrets`, `uuid`, `os`, `botocore.session` and `requests` lead to the simulation, everything else
to the real module. So nothing of ours is patched. The layer is loaded once; each container has its
own `wiring` and its own handler, as it has its own memory in Lambda.
"""

import builtins
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

from tests.simulation.replacements import replacements

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "wechat_login"

# The text of a file of ours, by its path in the tree; a mutant changes it.
Read = Callable[[str], str]


def read(path: str) -> str:
    """Return the text of a file of the tree."""
    return (ROOT / path).read_text(encoding="utf-8")


@dataclass
class Code:
    """A handler and its `wiring`, for one container at a time."""

    module: str
    handler: Callable[[Any, Any], Any]
    reset: Callable[[], None]
    environment: SimpleNamespace
    session: SimpleNamespace


class Layer:
    """The modules of the layer, loaded on first use, for one simulation after another.

    `here` is the simulation that is running; it gives time and chance.
    """

    def __init__(self, read: Read = read) -> None:
        self.here: Any = None
        self._read = cache(read)
        self._code: dict[str, CodeType] = {}
        self._modules: dict[str, ModuleType] = {}
        self._free: dict[str, list[Code]] = {}  # for the next history's containers
        self._used: list[Code] = []
        self._shared = {
            **replacements(self),
            "importlib": SimpleNamespace(import_module=self.module),
        }

    def begin(self, here: Any) -> None:
        """Begin a simulation: the containers of the one before are gone."""
        self.here = here
        for code in self._used:
            self._free.setdefault(code.module, []).append(code)
        self._used.clear()

    def function(self, module: str, environment: Mapping[str, str], aws: object) -> Any:
        """Return the handler of a new container; `aws` makes the container's AWS clients."""
        free = self._free.get(module)
        code = free.pop() if free else self._new_code(module)
        self._used.append(code)
        code.environment.environ = environment
        code.session.get_session = lambda: aws
        code.reset()
        return code.handler

    def _new_code(self, module: str) -> "Code":
        environment, session = SimpleNamespace(environ={}), SimpleNamespace()
        own: dict[str, Any] = {"os": environment, "botocore.session": session}
        wiring = self._load(f"{PACKAGE}.wiring", f"layers/{PACKAGE}/wiring.py", own)
        own[f"{PACKAGE}.wiring"] = wiring
        handler = self._load(module, f"functions/{module}.py", own).handler
        return Code(module, handler, wiring.reset, environment, session)

    def module(self, name: str) -> ModuleType:
        """Return a module of the layer, shared by all containers."""
        if name not in self._modules:
            path = f"layers/{name.replace('.', '/')}"
            is_package = (ROOT / path).is_dir()
            self._modules[name] = self._load(
                name, f"{path}/__init__.py" if is_package else f"{path}.py", {}
            )
            room, _, module = name.rpartition(".")
            if room:
                setattr(self.module(room), module, self._modules[name])
        return self._modules[name]

    def _load(self, name: str, path: str, own: Mapping[str, Any]) -> ModuleType:
        if path not in self._code:
            self._code[path] = compile(self._read(path), str(ROOT / path), "exec")
        module = ModuleType(name)
        module.__dict__["__builtins__"] = {
            **vars(builtins),
            "__import__": partial(self._import, {**self._shared, **own}),
        }
        # `dataclass` looks its module up there.
        before = sys.modules.get(name)
        sys.modules[name] = module
        try:
            exec(self._code[path], module.__dict__)  # noqa: S102 - our own files
        finally:
            if before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = before
        return module

    def _import(
        self,
        replaced: Mapping[str, Any],
        name: str,
        namespace: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        *rest: Any,
    ) -> Any:
        wanted: tuple[str, ...] = (rest[0] if rest else None) or ()
        if name in replaced:
            return replaced[name]
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            return SimpleNamespace(
                **{each: self._attribute(replaced, name, each) for each in wanted}
            )
        return builtins.__import__(name, namespace, local, *rest)

    def _attribute(self, replaced: Mapping[str, Any], name: str, attribute: str) -> Any:
        if f"{name}.{attribute}" in replaced:
            return replaced[f"{name}.{attribute}"]
        module = self.module(name)
        if hasattr(module, attribute):
            return getattr(module, attribute)
        return self.module(f"{name}.{attribute}")
