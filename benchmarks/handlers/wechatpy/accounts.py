"""Shared by the handlers of the usual way: boto3's resource, PyJWT with cryptography.

The usual way, written with care and without tricks: clients and keys are made once, at import;
secrets are in SSM; sessions are kept by hash; a number has one owner; others can verify the token.
"""

import hashlib
import json
import os
import time

import boto3
import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

TOKEN_SECONDS = 7200

ssm = boto3.client("ssm")
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def parameter(variable):
    answer = ssm.get_parameter(Name=os.environ[variable], WithDecryption=True)
    return answer["Parameter"]["Value"]


private_key = load_pem_private_key(parameter("PLAIN_PRIVATE_KEY").encode(), password=None)


def signed_in(event, openid):
    session = event["headers"]["authorization"].removeprefix("Bearer ")
    found = table.get_item(Key=session_key(openid, session)).get("Item")
    if found is None or found["expiresAt"] < time.time():
        return None
    return table.get_item(Key=user_key(openid)).get("Item")


def token_for(openid, user):
    if "phone" not in user:
        return None
    now = int(time.time())
    claims = {"sub": user["userId"], "openid": openid, "iat": now, "exp": now + TOKEN_SECONDS}
    return jwt.encode(claims, private_key, algorithm="RS256")


def user_key(openid):
    return {"pk": f"WECHATPY#{openid}", "sk": "PROFILE"}


def session_key(openid, session):
    sid = hashlib.sha256(session.encode()).hexdigest()
    return {"pk": f"WECHATPY#{openid}", "sk": f"SESSION#{sid}"}


def success(data):
    return {"statusCode": 200, "body": json.dumps({"success": True, "data": data})}


def failure(status, reason):
    print(json.dumps({"level": "WARNING", "reason": str(reason)}))
    return {"statusCode": status, "body": json.dumps({"success": False})}
