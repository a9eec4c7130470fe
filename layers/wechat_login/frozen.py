"""The form of our classes of fields: cheap to import, and silent in a log."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a dataclass without a repr, which could show a secret, and without a comparison.

    Only type checkers keep its fields from changing: checked at run time too, it would cost a cold
    start half a millisecond for each class.
    """
    return dataclass(slots=True, repr=False, eq=False)(cls)
