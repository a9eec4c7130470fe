"""POST /token in the usual way."""

import json

from accounts import failure, signed_in, success, token_for


def handler(event, _context):
    openid = json.loads(event["body"])["openid"]
    user = signed_in(event, openid)
    if user is None:
        return failure(401, "session")
    return success(token_for(openid, user))
