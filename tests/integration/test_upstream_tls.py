"""WeChat needs a valid certificate; without one, nothing is sent."""

import contextlib
import datetime as dt
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wechat_login.errors import WeChatUnavailable
from wechat_login.wechat.client import WeChatClient
from wechat_login.wechat.transport import Transport


@pytest.fixture
def impostor(tmp_path):
    """A server at WeChat's address, with a self-signed certificate."""
    received = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            received.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"openid": "o-mallory"}')

        def log_message(self, *_):
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_):
            pass

    server = Quiet(("127.0.0.1", 0), Answers)
    server.socket = own_certificate(tmp_path / "own.pem").wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    with contextlib.closing(server.socket):
        yield f"https://127.0.0.1:{server.server_port}", received
        server.shutdown()
    serving.join(5)


def own_certificate(path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.weixin.qq.com")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_an_impostor_gets_neither_code_nor_secret(impostor):
    url, received = impostor
    client = WeChatClient(
        transport=Transport(url),
        appid="wx1234567890abcdef",
        app_secret=lambda: "a-secret",
        renewed_app_secret=lambda: "a-secret",
        connect_timeout=2,
        read_timeout=2,
        reserve=0,
        time_left=lambda: 10,
        observe=lambda *_: None,
    )

    with pytest.raises(WeChatUnavailable):
        client.jscode2session("a-code")

    assert received == []
