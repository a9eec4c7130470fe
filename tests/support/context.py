"""Lambda's context argument for a function."""


class Context:
    """The part of Lambda's context that an invocation uses."""

    def __init__(self, milliseconds=20_000):
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self):
        return self.milliseconds
