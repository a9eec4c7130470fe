"""GET /.well-known/…: return OpenID discovery, and the public keys that verify tokens."""

from wechat_login import wiring
from wechat_login.api import Document, Request, endpoint

HOUR = 3600

wiring.prepare(wiring.app_tokens)


@endpoint
def handler(request: Request) -> Document:
    if request.route.endswith("jwks.json"):
        return Document(wiring.app_tokens().key_set(), max_age=HOUR)
    return Document(wiring.app_tokens().discovery(request.domain), max_age=HOUR)
