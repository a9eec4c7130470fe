"""Counts DynamoDB's capacity units from the size of the items, by DynamoDB's own rules.

ministack reports one unit for a read of any size, and nothing for a batch. The rules:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

import math
from collections.abc import Mapping
from typing import Any

READ_BYTES = 4096
WRITE_BYTES = 1024
NESTED = 3  # the overhead of a map or a list, and one byte more for each member

Item = Mapping[str, Mapping[str, Any]]  # in the form of boto3's client: {"pk": {"S": "…"}}


def item_bytes(item: Item) -> int:
    """Return the size of an item: the names of its attributes and their values."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def read_units(size: int, *, consistent: bool) -> float:
    """Return the read units of an item; an absent item costs as much as a small one."""
    return max(1, math.ceil(size / READ_BYTES)) * (1.0 if consistent else 0.5)


def write_units(before: int, after: int, *, in_transaction: bool) -> float:
    """Return the write units, by the larger of the item's sizes; a failed write costs too."""
    return max(1, math.ceil(max(before, after) / WRITE_BYTES)) * (2.0 if in_transaction else 1.0)


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, of),) = value.items()
    match kind:
        case "S" | "B":
            size = len(of.encode() if isinstance(of, str) else of)
        case "N":
            size = _number_bytes(of)
        case "M":
            size = NESTED + item_bytes(of) + len(of)
        case "L":
            size = NESTED + sum(_value_bytes(each) + 1 for each in of)
        case "SS" | "NS" | "BS":
            size = sum(_value_bytes({kind[0]: each}) for each in of)
        case _:
            size = 1  # BOOL and NULL
    return size


def _number_bytes(text: str) -> int:
    """Return about one byte for two significant digits, and one more; a minus is another."""
    digits = text.lstrip("+-").replace(".", "").strip("0")
    return math.ceil(len(digits) / 2) + 1 + text.startswith("-")
