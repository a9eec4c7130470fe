"""The parameters that a person gives on the command line, as `PARAMETERS="Name=value …"`."""

import shlex

from stack.errors import BadParameter


def parse_parameters(text: str) -> dict[str, str]:
    """Read `Name=value Name=value`; a value with spaces is quoted as in a shell.

    Raises `BadParameter`: the text is not of this form.
    """
    try:
        words = shlex.split(text)
    except ValueError as fault:
        raise BadParameter(f"the parameters {text} cannot be read: {fault}") from fault
    if wrong := [word for word in words if "=" not in word[1:]]:
        raise BadParameter(f"{wrong[0]} is not of the form Name=value")
    return {name: value for name, _, value in (word.partition("=") for word in words)}
