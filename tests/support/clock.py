"""A clock that stands still until somebody sleeps or moves it."""


class Clock:
    """A call returns the time in Unix seconds; `now` may be set."""

    def __init__(self, now=1_800_000_000.0):
        self.now = now

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
