"""A strict SSM Parameter Store in memory, for GetParameters and PutParameter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.dynamodb import error
from tests.support.expressions import UnknownSyntax

MOST_NAMES = 10
LONGEST_VALUE = 4096


@dataclass
class SSM:
    """The parameters by name; `versions` counts the writes of each."""

    values: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def act(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a call, and return SSM's answer. Raises `ClientError`."""
        match operation, dict(request):
            case "GetParameters", {"Names": list(names), "WithDecryption": True, **more} if (
                not more
            ):
                return self._get(names)
            case (
                "PutParameter",
                {"Name": name, "Value": value, "Type": "SecureString", "Overwrite": True, **more},
            ) if not more:
                return self.put(name, value)
        raise UnknownSyntax(f"{operation} with {', '.join(sorted(request))}")

    def put(self, name: str, value: str) -> dict[str, Any]:
        """Overwrite a parameter."""
        if not value or len(value) > LONGEST_VALUE:
            raise error("PutParameter", "ValidationException")
        self.values[name] = value
        self.versions[name] = self.versions.get(name, 0) + 1
        return {"Version": self.versions[name], "Tier": "Standard"}

    def _get(self, names: list[str]) -> dict[str, Any]:
        if not 1 <= len(names) <= MOST_NAMES or len(set(names)) < len(names):
            raise error("GetParameters", "ValidationException")
        found = [
            {"Name": name, "Value": self.values[name], "Version": self.versions[name]}
            for name in names
            if name in self.values
        ]
        missing = [name for name in names if name not in self.values]
        return {"Parameters": found, "InvalidParameters": missing}
