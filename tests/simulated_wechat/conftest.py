"""A simulated WeChat by itself, without sockets and with them."""

import pytest

from simulated_wechat import SimulatedWeChat, serve
from tests.support.asking import Asking
from tests.support.clock import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wechat(clock):
    return SimulatedWeChat(now=clock)


@pytest.fixture
def backend(wechat):
    """The first mini program's server."""
    return Asking(wechat)


@pytest.fixture
def second(wechat):
    """The second mini program's server."""
    return Asking(wechat, "wxfedcba0987654321")


@pytest.fixture(scope="module")
def _served():
    wechat = SimulatedWeChat()
    server = serve(wechat)
    yield wechat, server
    server.stop()


@pytest.fixture
def served(_served):
    """The simulated WeChat that `server` serves, as new."""
    wechat, _ = _served
    wechat.reset()
    return wechat


@pytest.fixture
def server(_served, served):  # noqa: ARG001 - as new
    _, server = _served
    return server
