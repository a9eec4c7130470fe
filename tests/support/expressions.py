"""DynamoDB's expressions, strictly: what is not written here raises `UnknownSyntax`.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

Item = dict[str, Any]
Path = tuple[str, ...]

MISSING = object()
TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|[:#][A-Za-z0-9_]+|<=|>=|<>|[=<>(),.+-])")
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: bool(left == right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


class UnknownSyntax(BaseException):
    """The layer uses an expression that this table does not know: the table has to learn it."""


class Invalid(Exception):
    """DynamoDB would answer ValidationException."""


@dataclass(frozen=True)
class Given:
    """What a request gives for the placeholders of its expressions: `#name` and `:value`."""

    names: Mapping[str, str]
    values: Mapping[str, Any]

    def path(self, path: Path) -> Path:
        """Return a path without placeholders."""
        return tuple(self.names[name] if name[0] == "#" else name for name in path)

    def value(self, item: Item, path: Path) -> Any:
        """Return the value at a path of an item, or `MISSING`."""
        value: Any = item
        for name in path:
            name = self.names[name] if name[0] == "#" else name  # noqa: PLW2901 - the same name
            if not isinstance(value, Mapping) or name not in value:
                return MISSING
            value = value[name]
        return value


# Whether a condition holds, and the value of an operand, for an item.
Condition = Callable[[Item, Given], bool]
Operand = Callable[[Item, Given], Any]


@dataclass(frozen=True)
class Update:
    """A parsed update expression."""

    sets: tuple[tuple[Path, Operand], ...] = ()
    removes: tuple[Path, ...] = ()
    adds: tuple[tuple[Path, Operand], ...] = ()

    def apply(self, item: Item, given: Given) -> Item:
        """Return the item as changed; each operand is read from the item as it was."""
        _refuse_overlaps([given.path(each) for each in self._paths()])
        after = _copy(item)
        for raw, operand in self.sets:
            path, value = given.path(raw), operand(item, given)
            if value is MISSING:
                raise Invalid("An operand in the update expression is missing")
            _holder(after, path)[path[-1]] = value
        for raw in self.removes:
            path = given.path(raw)
            _holder(after, path).pop(path[-1], None)
        for raw, operand in self.adds:
            path, number = given.path(raw), operand(item, given)
            holder = _holder(after, path)
            if not isinstance(number, int) or not isinstance(holder.get(path[-1], 0), int):
                raise UnknownSyntax("ADD of anything but a number")
            holder[path[-1]] = holder.get(path[-1], 0) + number
        return after

    def _paths(self) -> list[Path]:
        return [*(path for path, _ in self.sets), *self.removes, *(path for path, _ in self.adds)]


@cache
def condition(text: str) -> tuple[Condition, frozenset[str]]:
    """Return a parsed condition, and the placeholders that it uses."""
    parser = _Parser(text)
    parsed = parser.any_of()
    parser.end()
    return parsed, frozenset(parser.used)


@cache
def update(text: str) -> tuple[Update, frozenset[str]]:
    """Return a parsed update expression, and the placeholders that it uses."""
    parser = _Parser(text)
    parsed = parser.update()
    parser.end()
    return parsed, frozenset(parser.used)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._text = text
        self._at = 0
        self.used = {token for token in self._tokens if token[0] in ":#"}

    def end(self) -> None:
        if self._peek():
            raise UnknownSyntax(f"{self._peek()} in {self._text}")

    def any_of(self) -> Condition:
        parts = [self._all_of()]
        while self._takes("OR"):
            parts.append(self._all_of())
        return (
            parts[0]
            if len(parts) == 1
            else lambda item, given: any(part(item, given) for part in parts)
        )

    def _all_of(self) -> Condition:
        parts = [self._one()]
        while self._takes("AND"):
            parts.append(self._one())
        return (
            parts[0]
            if len(parts) == 1
            else lambda item, given: all(part(item, given) for part in parts)
        )

    def _one(self) -> Condition:
        if self._takes("("):
            inner = self.any_of()
            self._must("(", ")")
            return inner
        if self._peek() in ("attribute_exists", "attribute_not_exists"):
            return self._existence()
        if self._peek() == "begins_with":
            return self._begins_with()
        return self._comparison()

    def _existence(self) -> Condition:
        wanted = self._next() == "attribute_exists"
        self._must("", "(")
        path = self._path()
        self._must("(", ")")
        return lambda item, given: (given.value(item, path) is not MISSING) is wanted

    def _begins_with(self) -> Condition:
        self._next()
        self._must("", "(")
        path = self._path()
        self._must("path", ",")
        operand = self._operand()
        self._must("(", ")")

        def begins(item: Item, given: Given) -> bool:
            value = given.value(item, path)
            return isinstance(value, str) and value.startswith(operand(item, given))

        return begins

    def _comparison(self) -> Condition:
        left = self._operand()
        if self._takes("BETWEEN"):
            low = self._operand()
            self._must("BETWEEN", "AND")
            high = self._operand()
            return lambda item, given: (
                _compare("<=", low(item, given), left(item, given))
                and (_compare("<=", left(item, given), high(item, given)))
            )
        sign = self._next()
        if sign not in COMPARISONS:
            raise UnknownSyntax(f"{sign} in {self._text}")
        right = self._operand()
        return lambda item, given: _compare(sign, left(item, given), right(item, given))

    def update(self) -> Update:
        sets: list[tuple[Path, Operand]] = []
        removes: list[Path] = []
        adds: list[tuple[Path, Operand]] = []
        while clause := self._peek():
            self._next()
            while True:
                path = self._path()
                match clause:
                    case "SET":
                        self._must("SET", "=")
                        sets.append((path, self._operand()))
                    case "REMOVE":
                        removes.append(path)
                    case "ADD":
                        adds.append((path, self._operand()))
                    case _:
                        raise UnknownSyntax(f"{clause} in {self._text}")
                if not self._takes(","):
                    break
        return Update(tuple(sets), tuple(removes), tuple(adds))

    def _operand(self) -> Operand:
        token = self._peek()
        if token.startswith(":"):
            self._next()
            return lambda _, given: given.values[token]
        if token == "size":
            self._next()
            self._must("size", "(")
            path = self._path()
            self._must("(", ")")
            return lambda item, given: _size(given.value(item, path))
        path = self._path()
        return lambda item, given: given.value(item, path)

    def _path(self) -> Path:
        names = [self._name()]
        while self._takes("."):
            names.append(self._name())
        return tuple(names)

    def _name(self) -> str:
        token = self._next()
        if not re.fullmatch(r"#?[A-Za-z0-9_]+", token):
            raise UnknownSyntax(f"{token} in {self._text}")
        if token.upper() in _reserved():
            raise Invalid(f"Attribute name is a reserved keyword: {token}")
        return token

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _takes(self, token: str) -> bool:
        found = self._peek() == token
        self._at += found
        return found

    def _must(self, after: str, token: str) -> None:
        if not self._takes(token):
            raise UnknownSyntax(f"no {token} after {after} in {self._text}")


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        found = TOKEN.match(text, at)
        if found is None:
            raise UnknownSyntax(text[at:])
        yield found[1]
        at = found.end()


def _compare(sign: str, left: Any, right: Any) -> bool:
    if left is MISSING or right is MISSING:
        return False
    if type(left) is not type(right):
        return False
    if sign != "=" and not isinstance(left, int | str):
        raise UnknownSyntax(f"{sign} between {type(left).__name__}")
    return COMPARISONS[sign](left, right)


def _size(value: Any) -> Any:
    return value if value is MISSING else len(value)


def _refuse_overlaps(paths: list[Path]) -> None:
    for path in paths:
        if sum(each[: len(path)] == path for each in paths) > 1:
            raise Invalid("Two document paths overlap with each other")


def _copy(item: Item) -> Item:
    return {name: _copy(each) if isinstance(each, dict) else each for name, each in item.items()}


def _holder(item: Item, path: Path) -> Item:
    """Return the map that holds the last name of a path; a missing map is an invalid path."""
    holder: Any = item
    for name in path[:-1]:
        holder = holder.get(name)
        if not isinstance(holder, dict):
            raise Invalid("The document path provided in the update expression is invalid")
    found: Item = holder
    return found


@cache
def _reserved() -> frozenset[str]:
    return frozenset(word.upper() for word in ReservedKeywords.get_reserved_keywords())
