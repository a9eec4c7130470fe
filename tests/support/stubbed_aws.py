"""An AWS session with the answers of a test."""

from typing import Any


class _Session:
    """Answers each call with the test's answer."""

    region_name = "cn-north-1"

    def __init__(self, answers):
        self._answers = answers

    def client(self, service, **_):
        answers = self._answers

        class Pages:
            def __init__(self, answer):
                self._answer = answer

            def paginate(self, **_):
                return self

            def build_full_result(self):
                return self._answer

        class Client:
            def get_paginator(self, operation):
                return Pages(answers[service, operation])

            def __getattr__(self, operation):
                return lambda **_: answers[service, operation]

        return Client()


def Session(answers) -> Any:  # noqa: N802 - stands for boto3's class
    """Make a session that answers calls by `(service, operation)`."""
    return _Session(answers)
