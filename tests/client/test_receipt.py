"""The client redeems a receipt: this needs a backend whose table fails at the right moment."""

from pathlib import Path

import pytest

from local.http_server import HttpServer, Response
from tests.support.fault_proxy import FaultProxy
from tests.support.node import run

RECEIPT = Path(__file__).with_name("receipt.js")
PHONE = "/wxa/business/getuserphonenumber"


@pytest.fixture
def ministack(ministack):
    with FaultProxy(ministack.url).running() as storage:
        yield storage


class Recovery:
    """Makes the table work again at any request."""

    def __init__(self, storage):
        self._storage = storage

    def answer(self, _request):
        self._storage.recover()
        return Response(200, (), b"")


def test_the_client_turns_a_receipt_in(node, ministack, backend, wechat):
    # Only a registration names the number it claims.
    ministack.fail("TransactWriteItems", containing="PHONE#")
    server = HttpServer(Recovery(ministack))
    server.start()
    try:
        wechat_url = backend.deployment.stack.parameters["WeChatUrl"]
        addresses = {"API_URL": backend.url, "WECHAT_URL": wechat_url, "RECOVERY_URL": server.url}
        run(node, RECEIPT, **addresses)
    finally:
        server.stop()

    assert wechat.asked(PHONE) == 1
    assert wechat.calls()["charges"]["phoneExchanges"] == 1
