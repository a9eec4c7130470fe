"""A deployment under test: its HTTP API, its people, and a look into what it has stored."""

import json

from tests.support import stored
from tests.support.callers import Client, Person
from tests.support.secrecy import private_parts
from wechat_login import wiring

ISSUER = "https://login.example"
ACCESS_TOKEN = "access-token/wx1234567890abcdef"


class Backend(Client):
    """One deployment: its HTTP API, its people, and a look into what it has stored."""

    def __init__(self, deployment, wechat, secrecy):
        routes: dict[str, tuple[str, str]] = {}
        for route in deployment.stack.routes:
            module = deployment.stack.functions[route.function].handler.partition(".")[0]
            routes.setdefault(module, (route.method, route.path))
        super().__init__(deployment.url, routes, secrecy)
        self.url = deployment.url
        self.deployment = deployment
        self.wechat = wechat
        self.dynamodb, self.ssm = deployment.dynamodb, deployment.ssm
        self.table = deployment.stack.tables[0].name
        for value in deployment.parameters.values():
            secrecy.keep("parameter", *private_parts(value))

    def person(self, name, appid=None):
        return Person(name, self.wechat, self.call, appid)

    def items(self):
        """Return the whole table by key."""
        return stored.read_all(self.dynamodb, self.table)

    def change(self, key, expression, **values):
        """Change an item behind the back of the deployment."""
        self.dynamodb.update_item(
            TableName=self.table,
            Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}},
            UpdateExpression=expression,
            ExpressionAttributeValues={
                f":{name}": {"N": str(each)} for name, each in values.items()
            },
        )

    def change_session(self, session, **times):
        """Change the times of a session, `(pk, sid)`, behind the back of the deployment."""
        pk, sid = session
        self.dynamodb.update_item(
            TableName=self.table,
            Key={"pk": {"S": pk}, "sk": {"S": "PROFILE"}},
            UpdateExpression="SET "
            + ", ".join(f"sessions.#sid.{each} = :{each}" for each in times),
            ExpressionAttributeNames={"#sid": sid},
            ExpressionAttributeValues={f":{name}": {"N": str(at)} for name, at in times.items()},
        )

    def forget_attempts(self):
        """Give everybody new attempts, as ten minutes later."""
        for pk, sk in self.items():
            if pk.startswith("ATTEMPTS#"):
                key = {"pk": {"S": pk}, "sk": {"S": sk}}
                self.dynamodb.delete_item(TableName=self.table, Key=key)

    def parameter_name(self, name):
        return f"/wechat-login/{self.deployment.stack.parameters['Stage']}/{name}"

    def parameter(self, name):
        answer = self.ssm.get_parameters(Names=[self.parameter_name(name)], WithDecryption=True)
        return answer["Parameters"][0]["Value"] if answer["Parameters"] else None

    def set_parameter(self, name, value):
        name = self.parameter_name(name)
        self.ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)

    def set_app_secret(self, value, appid=None):
        """Set the AppSecret of a mini program, as `make secrets` does: a new one is added."""
        secrets = json.loads(self.parameter("app-secrets"))
        secrets[appid or self.wechat.appid] = value
        self.set_parameter("app-secrets", json.dumps(secrets))

    def add_mini_program(self, appid):
        """Let the deployment serve one more of the simulated WeChat's mini programs."""
        self.set_app_secret(self.wechat.mini_program(appid).app_secret, appid)
        self.cold_start()

    def public_keys(self):
        """Return the public half of the signing keys as a JWK Set."""
        keys = json.loads(self.parameter("signing-keys"))["keys"]
        public = ("kty", "kid", "use", "alg", "n", "e")
        return {"keys": [{name: key[name] for name in public} for key in keys]}

    def cold_start(self):
        """Clear the memory, so that the next invocation runs as in a new container."""
        wiring.reset()
