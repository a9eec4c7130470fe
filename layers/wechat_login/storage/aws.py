"""Calls AWS, and says in our words what went wrong."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from wechat_login import budget
from wechat_login.errors import Misconfigured, StorageUnavailable

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_CALL = budget.DYNAMODB_CALL

# Answers rather than failures: the caller asked a question and looks at the reply.
ANSWERS = frozenset(
    {
        "ConditionalCheckFailedException",
        "TransactionCanceledException",
        "TransactionConflictException",
    }
)
# What only an operator can mend. Everything else may pass by itself.
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
    # Raised here, and not above, so that AWS's text, which may quote our values, is left behind.
    operation_name = getattr(operation, "__name__", "")
    if unrepairable:
        raise Misconfigured(aws=code, operation=operation_name)
    raise StorageUnavailable(aws=code, operation=operation_name)
