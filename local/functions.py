"""Calls the handlers as Lambda would: by name, with a context, JSON in and JSON out."""

import importlib
import json
import time
import traceback
import uuid
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from local.errors import NoSuchFunction
from stack.errors import BrokenTemplate
from stack.template import Function

Handler = Callable[[Any, "Context"], object]

# The logical id of the function that runs; a test assigns AWS calls to functions by it.
running: ContextVar[str | None] = ContextVar("running", default=None)


class FunctionError(Exception):
    """The handler raised, or its answer is not JSON; the log has the traceback."""


@dataclass(frozen=True, slots=True)
class Context:
    """Lambda's context object: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    log_group_name: str
    deadline: float = field(repr=False)
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_version: str = "$LATEST"
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class Functions:
    """The functions of a stack, imported and ready to be invoked from any thread."""

    def __init__(self, functions: Iterable[Function]) -> None:
        self._functions = {function.logical_id: function for function in functions}
        self._modules = {each.handler.partition(".")[0]: each for each in self._functions.values()}
        self._handlers = {name: _handler(each) for name, each in self._functions.items()}

    def find(self, name: str) -> Function:
        """Find a function by its logical id, `Login`, or by its module, `login`."""
        function = self._functions.get(name) or self._modules.get(name)
        if function is None:
            raise NoSuchFunction(
                f"there is no function {name}; there are {', '.join(self._modules)}"
            )
        return function

    def invoke(self, name: str, event: object) -> Any:
        """Call a handler with a copy of the event, and return its answer as JSON represents it.

        Raises `NoSuchFunction`, or `FunctionError` when the handler fails.
        """
        function = self.find(name)
        context = Context(
            function_name=function.name,
            invoked_function_arn=function.arn,
            memory_limit_in_mb=str(function.memory),
            log_group_name=f"/aws/lambda/{function.name}",
            deadline=time.monotonic() + function.timeout,
        )
        token = running.set(function.logical_id)
        try:
            answer = self._handlers[function.logical_id](json.loads(json.dumps(event)), context)
            return json.loads(json.dumps(answer))
        except Exception as error:  # Lambda, too, reports every exception of a handler.
            _log_as_lambda_does(error, context)
            raise FunctionError(f"{function.logical_id}: {type(error).__name__}") from error
        finally:
            running.reset(token)


def _handler(function: Function) -> Handler:
    module, _, name = function.handler.rpartition(".")
    try:
        handler: Handler = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        # The error of a nested import is the useful one, so it stays attached.
        raise BrokenTemplate(
            f"the handler {function.handler} of {function.logical_id} cannot be loaded: {error}"
        ) from error
    return handler


def _log_as_lambda_does(error: Exception, context: Context) -> None:
    record = {
        "level": "ERROR",
        "function_name": context.function_name,
        "requestId": context.aws_request_id,
        "errorType": type(error).__name__,
        "errorMessage": str(error),
        "stackTrace": traceback.format_tb(error.__traceback__),
    }
    print(json.dumps(record), flush=True)
