// The same login on Node's runtime: AWS SDK v3, fetch and node:crypto.
import { createPrivateKey, createHash, randomBytes, randomUUID, sign } from "node:crypto";
import { DynamoDBClient, GetItemCommand, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { GetParametersCommand, SSMClient } from "@aws-sdk/client-ssm";

const { TABLE, WECHAT_APPID, WECHAT_URL } = process.env;
const SESSION_SECONDS = 30 * 86_400;
const TOKEN_SECONDS = 7200;

const dynamodb = new DynamoDBClient();
const ssm = new SSMClient();
let read;

export async function handler(event) {
  const { code } = JSON.parse(event.body);
  const { secret, kid, key } = await (read ??= parameters());

  const query = new URLSearchParams({
    appid: WECHAT_APPID, secret, js_code: code, grant_type: "authorization_code",
  });
  const { openid } = await (await fetch(`${WECHAT_URL}/sns/jscode2session?${query}`)).json();

  const pk = `USER#${WECHAT_APPID}#${openid}`;
  const now = Math.floor(Date.now() / 1000);
  const profile = { pk: { S: pk }, sk: { S: "PROFILE" } };
  const { Item: user } = await dynamodb.send(
    new GetItemCommand({ TableName: TABLE, Key: profile, ConsistentRead: true }),
  );
  const session = randomBytes(32).toString("base64url");
  const sid = createHash("sha256").update(session).digest("base64url");
  await dynamodb.send(new TransactWriteItemsCommand({
    TransactItems: [
      { Update: {
        TableName: TABLE,
        Key: profile,
        UpdateExpression: "SET lastLoginAt = :now ADD logins :one",
        ConditionExpression: "userId = :id",
        ExpressionAttributeValues: { ":now": number(now), ":one": number(1), ":id": user.userId },
      } },
      { Put: { TableName: TABLE, Item: {
        pk: { S: pk },
        sk: { S: `SESSION#${sid}` },
        createdAt: number(now),
        slidAt: number(now),
        expiresAt: number(now + SESSION_SECONDS),
      } } },
    ],
  }));
  const token = signed({ kid, key }, {
    sub: user.userId.S, openid, sid, iat: now, exp: now + TOKEN_SECONDS, jti: randomUUID(),
  });
  const data = { openid, session: `${openid}.${session}`, token };
  return { statusCode: 200, body: JSON.stringify({ success: true, data }) };
}

async function parameters() {
  const { APP_SECRET_PARAMETER, SIGNING_KEYS_PARAMETER } = process.env;
  const { Parameters } = await ssm.send(new GetParametersCommand({
    Names: [APP_SECRET_PARAMETER, SIGNING_KEYS_PARAMETER], WithDecryption: true,
  }));
  const value = (name) => Parameters.find((each) => each.Name === name).Value;
  const jwk = withExponents(JSON.parse(value(SIGNING_KEYS_PARAMETER)).keys[0]);
  const key = createPrivateKey({ key: jwk, format: "jwk" });
  return { secret: value(APP_SECRET_PARAMETER), kid: jwk.kid, key };
}

// Node wants the exponents and the coefficient too, which can be computed.
function withExponents(jwk) {
  const [d, p, q] = [jwk.d, jwk.p, jwk.q].map(
    (text) => BigInt(`0x${Buffer.from(text, "base64url").toString("hex")}`),
  );
  const text = (value) => {
    const hex = value.toString(16);
    return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex").toString("base64url");
  };
  return { ...jwk, dp: text(d % (p - 1n)), dq: text(d % (q - 1n)), qi: text(inverse(q, p)) };
}

function inverse(value, modulus) {
  let [before, now, coefficientBefore, coefficient] = [modulus, value % modulus, 0n, 1n];
  while (now > 1n) {
    const quotient = before / now;
    [before, now] = [now, before - quotient * now];
    [coefficientBefore, coefficient] = [coefficient, coefficientBefore - quotient * coefficient];
  }
  return ((coefficient % modulus) + modulus) % modulus;
}

function signed({ kid, key }, claims) {
  const encoded = [{ alg: "RS256", typ: "at+jwt", kid }, claims].map(
    (part) => Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  const content = encoded.join(".");
  return `${content}.${sign("sha256", Buffer.from(content), key).toString("base64url")}`;
}

function number(value) {
  return { N: String(value) };
}
