"""Why the template cannot be read; each message is one line for the person at the terminal."""


class StackError(Exception):
    """Something in the template or in its parameters is wrong, and a person has to fix it."""


class BadParameter(StackError):
    """A parameter is unknown, missing or outside what the template allows."""


class BrokenTemplate(StackError):
    """The template, or what it asks for, cannot be run here."""
