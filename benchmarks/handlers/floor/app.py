"""The floor: the upstream calls of each flow made bare, and nothing else.

What a handler on boto3 and requests cannot do without; no checks, no errors, no token, no log.
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

TABLE = os.environ.get("TABLE", "")
APPID = os.environ.get("WECHAT_APPID", "")
WECHAT = os.environ.get("WECHAT_URL", "")


@cache
def parameters():
    wanted = {name: value for name, value in os.environ.items() if name.endswith("_PARAMETER")}
    answer = boto3.client("ssm").get_parameters(Names=list(wanted.values()), WithDecryption=True)
    values = {each["Name"]: each["Value"] for each in answer["Parameters"]}
    return {name: values.get(value) for name, value in wanted.items()}


def login(event, _context):
    sent = json.loads(event["body"])
    secret = parameters()["APP_SECRET_PARAMETER"]
    query = {"appid": APPID, "secret": secret, "js_code": sent["code"]}
    query["grant_type"] = "authorization_code"
    openid = http.get(f"{WECHAT}/sns/jscode2session", params=query, timeout=5).json()["openid"]

    pk, now = f"USER#{APPID}#{openid}", int(time.time())
    profile = key(pk, "PROFILE")
    user = dynamodb.get_item(TableName=TABLE, Key=profile, ConsistentRead=True)["Item"]
    update = {
        "TableName": TABLE,
        "Key": profile,
        "UpdateExpression": "SET lastLoginAt = :now ADD logins :one",
        "ConditionExpression": "userId = :id",
        "ExpressionAttributeValues": {
            ":now": number(now),
            ":one": number(1),
            ":id": user["userId"],
        },
    }
    session = {
        **key(pk, f"SESSION#{secrets.token_urlsafe(32)}"),
        "createdAt": number(now),
        "slidAt": number(now),
        "expiresAt": number(now + 30 * 86_400),
    }
    put = {"TableName": TABLE, "Item": session}
    dynamodb.transact_write_items(TransactItems=[{"Update": update}, {"Put": put}])
    return answer({"openid": openid, "session": session["sk"]["S"]})


def look_up_token(event, _context):
    parameters()
    sent = json.loads(event["body"])
    return answer({"userId": session_of(sent)[0]["userId"]["S"]})


def register_phone(event, _context):
    sent = json.loads(event["body"])
    parameters()
    pk, now = f"USER#{APPID}#{sent['openid']}", int(time.time())
    user = next(item for item in session_of(sent) if item["sk"]["S"] == "PROFILE")
    dynamodb.update_item(
        TableName=TABLE,
        Key=key(pk, f"ATTEMPTS#{now // 600}"),
        UpdateExpression="SET expiresAt = :ends ADD attempts :one, proofs :proofs",
        ConditionExpression="attribute_not_exists(attempts) OR attempts < :limit",
        ExpressionAttributeValues={
            ":ends": number(now + 600),
            ":one": number(1),
            ":limit": number(5),
            ":proofs": {"SS": [secrets.token_hex(32)]},
        },
    )
    token = json.loads(parameters()["ACCESS_TOKEN_PARAMETER"])["token"]
    given = http.post(
        f"{WECHAT}/wxa/business/getuserphonenumber",
        params={"access_token": token},
        json={"code": sent["code"], "openid": sent["openid"]},
        timeout=5,
    ).json()
    values = {
        ":phone": {"S": given["phone_info"]["phoneNumber"] + secrets.token_urlsafe(60)},
        ":index": {"S": secrets.token_hex(32)},
        ":registered": number(now),
        ":code": {"S": secrets.token_hex(32)},
        ":id": user["userId"],
    }
    profile = {
        "TableName": TABLE,
        "Key": key(pk, "PROFILE"),
        "UpdateExpression": "SET phone = :phone, phoneIndex = :index, registeredAt = :registered,"
        " phoneCodeHash = :code",
        "ConditionExpression": "userId = :id AND attribute_not_exists(phoneIndex)",
        "ExpressionAttributeValues": values,
    }
    claim = {
        "TableName": TABLE,
        "Key": key(f"PHONE#{APPID}#{values[':index']['S']}", "OWNER"),
        "UpdateExpression": "SET userId = :id ADD owners :me",
        "ConditionExpression": "attribute_not_exists(pk)",
        "ExpressionAttributeValues": {":id": user["userId"], ":me": {"SS": [pk]}},
    }
    dynamodb.transact_write_items(TransactItems=[{"Update": profile}, {"Update": claim}])
    return answer({"userId": user["userId"]["S"]})


def session_of(sent):
    pk = f"USER#{APPID}#{sent['openid']}"
    keys = [key(pk, "PROFILE"), key(pk, f"SESSION#{sent['sid']}")]
    request = {TABLE: {"Keys": keys, "ConsistentRead": True}}
    return dynamodb.batch_get_item(RequestItems=request)["Responses"][TABLE]


def key(pk, sk):
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def number(value):
    return {"N": str(value)}


def answer(data):
    return {"statusCode": 200, "body": json.dumps({"success": True, "data": data})}
