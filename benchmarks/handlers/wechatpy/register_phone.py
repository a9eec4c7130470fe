"""POST /phone in the usual way."""

import json
import time

from accounts import failure, signed_in, success, table, token_for, user_key
from boto3.dynamodb.conditions import Attr
from mini_program import wechat
from wechatpy.exceptions import WeChatClientException

# wechatpy has no method for this call.
URL = "https://api.weixin.qq.com/wxa/business/getuserphonenumber"


def handler(event, _context):
    body = json.loads(event["body"])
    openid = body["openid"]
    user = signed_in(event, openid)
    if user is None:
        return failure(401, "session")
    try:
        info = wechat.post(URL, data={"code": body["code"], "openid": openid})["phone_info"]
    except WeChatClientException as error:
        return failure(401, error.errcode)
    phone = f"+{info['countryCode']}{info['purePhoneNumber']}"
    claim = {"pk": f"PHONE#{phone}", "sk": "OWNER"}
    table.put_item(Item={**claim, "openid": openid}, ConditionExpression=Attr("pk").not_exists())
    table.update_item(
        Key=user_key(openid),
        UpdateExpression="SET phone = :phone, registeredAt = :now",
        ExpressionAttributeValues={":phone": phone, ":now": int(time.time())},
    )
    return success(token_for(openid, {**user, "phone": phone}))
