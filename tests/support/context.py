"""What Lambda hands a function beside the event."""


class Context:
    """Lambda's context, as far as an invocation asks it."""

    def __init__(self, milliseconds=20_000):
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self):
        return self.milliseconds
