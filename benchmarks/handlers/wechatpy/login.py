"""POST /login in the usual way."""

import json
import secrets
import time
import uuid

from accounts import failure, session_key, success, table, token_for, user_key
from mini_program import wechat
from wechatpy.exceptions import WeChatClientException

SESSION_SECONDS = 30 * 86_400


def handler(event, _context):
    code = json.loads(event["body"])["code"]
    try:
        openid = wechat.wxa.code_to_session(code)["openid"]
    except WeChatClientException as error:
        return failure(401, error.errcode)
    now = int(time.time())
    user = table.get_item(Key=user_key(openid)).get("Item")
    if user is None:
        user = {**user_key(openid), "userId": str(uuid.uuid4()), "createdAt": now}
        table.put_item(Item=user)
    else:
        table.update_item(
            Key=user_key(openid),
            UpdateExpression="SET lastLoginAt = :now",
            ExpressionAttributeValues={":now": now},
        )
    session = secrets.token_urlsafe(32)
    table.put_item(Item={**session_key(openid, session), "expiresAt": now + SESSION_SECONDS})
    return success({"openid": openid, "session": session, "token": token_for(openid, user)})
