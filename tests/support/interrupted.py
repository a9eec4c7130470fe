"""Lets something else happen between two calls of a change."""

from wechat_login.storage.table import Table


class Interrupted(Table):
    """A table that runs an action once, before a chosen call."""

    def __init__(self, *wiring):
        super().__init__(*wiring)
        self.calls = 0
        self.before = {}

    def get(self, key):
        self._interrupt()
        return super().get(key)

    def _write(self, writes, **options):
        self._interrupt()
        return super()._write(writes, **options)

    def _interrupt(self):
        self.calls += 1
        self.before.pop(self.calls, lambda: None)()
