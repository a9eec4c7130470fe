"""The errors of reading a template; each message is one line for the person at the terminal."""


class StackError(Exception):
    """The template or its parameters are wrong, and a person has to fix them."""


class BadParameter(StackError):
    """A parameter is unknown, missing or outside what the template allows."""


class BrokenTemplate(StackError):
    """The template, or one of its features, cannot be run locally."""
