"""The errors that end a local run; each message is one line for the person at the terminal."""


class CannotRun(Exception):
    """A prerequisite is missing, in use or wrong, and a person has to fix it."""


class EmulatorFailed(CannotRun):
    """ministack could not be installed or started, or has ended."""


class NoSuchFunction(CannotRun):
    """The template has no function of that name."""


class PortTaken(CannotRun):
    """Another program listens on the port, or the port cannot be used."""
