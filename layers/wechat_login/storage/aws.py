"""Calls AWS, and turns its failures into our errors."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from wechat_login.errors import Misconfigured, StorageUnavailable

P = ParamSpec("P")
R = TypeVar("R")

# Answers rather than failures: the caller expects them.
ANSWERS = frozenset(
    {
        "ConditionalCheckFailedException",
        "TransactionCanceledException",
        "TransactionConflictException",
    }
)
# Failures that only an operator can fix. Others may be temporary.
FOR_THE_OPERATOR = frozenset(
    {
        "AccessDeniedException",
        "InvalidSignatureException",
        "KMSAccessDeniedException",
        "ParameterNotFound",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


def call(operation: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call an AWS operation. Raises `StorageUnavailable`, `Misconfigured`, or the answer itself."""
    try:
        return operation(*args, **kwargs)
    except ClientError as failure:
        code = failure.response["Error"]["Code"]
        if code in ANSWERS:
            raise
        unrepairable = code in FOR_THE_OPERATOR
    except BotoCoreError as failure:
        code, unrepairable = type(failure).__name__, False
    # Raised outside `except`, to drop AWS's text, which may quote our values.
    operation_name = getattr(operation, "__name__", "")
    if unrepairable:
        raise Misconfigured(aws=code, operation=operation_name)
    raise StorageUnavailable(aws=code, operation=operation_name)
