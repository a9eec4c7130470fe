"""The floor: only the calls that each flow needs.

The minimum of a handler on boto3 and requests: no checks, errors, token or log.
"""

import json
import os
import secrets
import time
from functools import cache

import boto3
import requests

dynamodb = boto3.client("dynamodb")
http = requests.Session()

TABLE = os.environ["TABLE"]
WECHAT = os.environ["WECHAT_URL"]


@cache
def parameters():
    names = [os.environ["PLAIN_SECRET"], os.environ["PLAIN_TOKEN"]]
    answer = boto3.client("ssm").get_parameters(Names=names, WithDecryption=True)
    values = {each["Name"]: each["Value"] for each in answer["Parameters"]}
    return [values[name] for name in names]


def login(event, _context):
    code = json.loads(event["body"])["code"]
    query = {"appid": os.environ["WECHAT_APPID"], "secret": parameters()[0], "js_code": code}
    query["grant_type"] = "authorization_code"
    openid = http.get(f"{WECHAT}/sns/jscode2session", params=query, timeout=5).json()["openid"]
    session = secrets.token_urlsafe(32)
    dynamodb.update_item(
        TableName=TABLE,
        Key=key(f"FLOOR#{openid}"),
        UpdateExpression="SET lastLoginAt = :now, lastSession = :session",
        ExpressionAttributeValues={":now": number(time.time()), ":session": {"S": session}},
        ReturnValues="ALL_NEW",
    )
    return answer({"openid": openid, "session": session})


def look_up_token(event, _context):
    parameters()
    me = key(f"FLOOR#{json.loads(event['body'])['openid']}")
    found = dynamodb.get_item(TableName=TABLE, Key=me, ConsistentRead=True)
    return answer({"session": found["Item"]["lastSession"]["S"]})


def register_phone(event, _context):
    sent = json.loads(event["body"])
    token = parameters()[1]
    me = f"FLOOR#{sent['openid']}"
    dynamodb.get_item(TableName=TABLE, Key=key(me), ConsistentRead=True)
    dynamodb.update_item(
        TableName=TABLE,
        Key=key(f"{me}#ATTEMPTS"),
        UpdateExpression="ADD attempts :one",
        ExpressionAttributeValues={":one": number(1)},
    )
    given = http.post(
        f"{WECHAT}/wxa/business/getuserphonenumber",
        params={"access_token": token},
        json={"code": sent["code"], "openid": sent["openid"]},
        timeout=5,
    ).json()
    phone = given["phone_info"]["phoneNumber"]
    profile = {
        "TableName": TABLE,
        "Key": key(me),
        "UpdateExpression": "SET phone = :phone, registeredAt = :now",
        "ExpressionAttributeValues": {":phone": {"S": phone}, ":now": number(time.time())},
    }
    claim = {
        "TableName": TABLE,
        "Item": {**key(f"FLOOR#PHONE#{phone}"), "owner": {"S": me}},
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    dynamodb.transact_write_items(TransactItems=[{"Update": profile}, {"Put": claim}])
    return answer({"openid": sent["openid"]})


def key(pk):
    return {"pk": {"S": pk}, "sk": {"S": "PROFILE"}}


def number(value):
    return {"N": str(int(value))}


def answer(data):
    return {"statusCode": 200, "body": json.dumps({"success": True, "data": data})}
