"""The three commands of the README, for real: `sam deploy` to ministack, calls, and the end.

What ministack cannot do, and where that is shown instead:

- It takes no routes, authorizers, throttles or CORS out of an HttpApi. They are added here by API
  calls, read from the template; that the template has them is checked on the translated template.
- It makes the table without its TTL and its backups, which are added by API calls.
- `sam delete` does not take the address at which ministack keeps the nested template for one of
  S3's, so CloudFormation is asked to delete.
- It knows no AWS::Logs::QueryDefinition and no CodeDeploy: stage dev, and no GRADUAL. Both
  are translated and linted (test_portability.py, test_deploying.py).
- Its IAM does not see which parameters `ssm:GetParameters` names, and takes it as a call on all of
  SSM; so every role is given that here. All else, DynamoDB's transactions too, is decided by the
  roles and the boundary as deployed. Which parameters a function may read: test_privileges.py.
- It runs functions with SAM CLI's Python, on this machine: Linux on x86_64, as the layer is built.
"""

import datetime as dt
import json
import platform
import sys

import pytest
import requests

from simulated_wechat import SimulatedWeChat, serve
from stack.template import ROOT, read_stack
from tests.support import alarms
from tests.support.aws_account import account
from tests.support.translated import resolver, translated
from tests.support.written import APPID, run

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the layer is built for Linux on x86_64, and here there is nothing else to run it",
)

STAGE = "dev"
STACK = "wechat-login-dev"
PATIENCE = 60


class Deployed:
    """A stack in an account, with a WeChat, and the commands that a team has for it."""

    def __init__(self, aws, wechat, wechat_url):
        self.aws, self.wechat, self.wechat_url = aws, wechat, wechat_url
        self.url = self.first = ""
        self.before: list[str] = []

    def make(self, target, *variables, stdin=""):
        return run(
            ["make", "--silent", target, f"STAGE={STAGE}", *variables],
            cwd=ROOT,
            env=self.aws.environment,
            input=stdin,
        )

    def doctor(self):
        return self.make("doctor", f"API={self.url}")

    def resources(self):
        pages = self.aws.client("cloudformation").get_paginator("list_stack_resources")
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for page in pages.paginate(StackName=STACK)
            for each in page["StackResourceSummaries"]
        }

    def invoke(self, function, event):
        answer = self.aws.client("lambda").invoke(
            FunctionName=self.resources()[function], Payload=json.dumps(event).encode()
        )
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    def call(self, method, path, credential=None, **body):
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        answer = requests.request(
            method,
            self.url + path,
            headers=headers,
            timeout=PATIENCE,
            json=body if method != "GET" else None,
        )
        return answer.status_code, answer.json()

    def add_routes(self):
        """Do what API Gateway does with an HttpApi's OpenAPI document, and ministack does not."""
        api, resources = self.aws.client("apigatewayv2"), self.resources()
        stack = read_stack(APPID)
        integrations, authorizers = {}, {}
        for function in stack.functions:
            made = api.create_integration(
                ApiId=resources["Api"],
                IntegrationType="AWS_PROXY",
                IntegrationUri=self._arn(resources[function]),
                PayloadFormatVersion="2.0",
            )
            integrations[function] = f"integrations/{made['IntegrationId']}"
        for authorizer in stack.authorizers.values():
            made = api.create_authorizer(
                ApiId=resources["Api"],
                Name=authorizer.name,
                AuthorizerType="REQUEST",
                AuthorizerUri=self._invocation(resources[authorizer.function]),
                AuthorizerPayloadFormatVersion="2.0",
                EnableSimpleResponses=True,
                IdentitySource=[f"$request.header.{name}" for name in authorizer.identity_headers],
                AuthorizerResultTtlInSeconds=0,
            )
            authorizers[authorizer.name] = made["AuthorizerId"]
        for route in stack.routes:
            guard = {}
            if route.authorizer:
                guard = {
                    "AuthorizationType": "CUSTOM",
                    "AuthorizerId": authorizers[route.authorizer],
                }
            api.create_route(
                ApiId=resources["Api"],
                RouteKey=route.key,
                Target=integrations[route.function],
                **guard,
            )

    def complete_the_table(self):
        """Do what CloudFormation does with a table's TTL and its backups."""
        wanted = translated()["Resources"]["Table"]["Properties"]
        dynamodb, name = self.aws.client("dynamodb"), self.resources()["Table"]
        dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification=wanted["TimeToLiveSpecification"]
        )
        dynamodb.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification=wanted["PointInTimeRecoverySpecification"],
        )

    def let_ministack_read_parameters(self):
        """Give each role the one permission that ministack cannot tell by its resource."""
        iam = self.aws.client("iam")
        reading = {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": "*"}
        resources = self.resources()
        for name in read_stack(APPID).functions:
            iam.put_role_policy(
                RoleName=resources[f"{name}Role"],
                PolicyName="for-ministack",
                PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [reading]}),
            )
        boundary = resources["Boundary"]
        version = iam.get_policy(PolicyArn=boundary)["Policy"]["DefaultVersionId"]
        former = iam.get_policy_version(PolicyArn=boundary, VersionId=version)
        document = former["PolicyVersion"]["Document"]
        document["Statement"].append(reading)
        iam.create_policy_version(
            PolicyArn=boundary, PolicyDocument=json.dumps(document), SetAsDefault=True
        )

    def _arn(self, function):
        found = self.aws.client("lambda").get_function(FunctionName=function)
        return found["Configuration"]["FunctionArn"]

    def _invocation(self, function):
        path = f"2015-03-31/functions/{self._arn(function)}/invocations"
        return f"arn:aws:apigateway:us-east-1:lambda:path/{path}"


@pytest.fixture(scope="module")
def deployed():
    """Set up, deploy, and look after it, with nothing but the README's commands."""
    wechat = SimulatedWeChat()
    server = serve(wechat)
    with account() as aws:
        it = Deployed(aws, wechat, server.url)
        try:
            made = it.make("secrets", stdin=f"{wechat.appid}\n{wechat.app_secret}\n")
            assert made.returncode == 0, made.stderr
            # The API's address is known once it is there, and the issuer is a parameter.
            it.first = deploy(it)
            it.url = f"{aws.url}/_aws/execute-api/{it.resources()['Api']}"
            without = it.doctor()
            it.before = [line for line in without.stdout.splitlines() if line.startswith("FAIL")]
            it.add_routes()
            it.complete_the_table()
            it.let_ministack_read_parameters()
            yield it
            delete(it)
        finally:
            server.stop()


def deploy(it, *more):
    settings = " ".join([f"WeChatUrl={it.wechat_url}", "Issuer=http://127.0.0.1/issuer", *more])
    ran = it.make("deploy", f"PARAMETERS={settings}")
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


def delete(it):
    cloudformation = it.aws.client("cloudformation")
    cloudformation.delete_stack(StackName=STACK)
    waiter = cloudformation.get_waiter("stack_delete_complete")
    waiter.wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": PATIENCE})
    tables = it.aws.client("dynamodb").list_tables()["TableNames"]
    functions = it.aws.client("lambda").list_functions()["Functions"]

    # Data outlives its stack; nothing else does.
    assert len(tables) == 1
    assert functions == []


@pytest.fixture
def alice(deployed):
    """Somebody who has just logged in through the deployed functions."""
    status, body = deployed.call("POST", "/login", code=deployed.wechat.login_code("alice"))
    assert status == 200, body
    return body["data"]


def test_the_deployment_is_whole(deployed):
    stacks = {
        each["StackName"]: each["StackStatus"]
        for each in deployed.aws.client("cloudformation").describe_stacks()["Stacks"]
        if each["StackName"].startswith(STACK)
    }

    assert set(stacks.values()) <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    assert len(stacks) == 2  # with what is watched
    alarms = deployed.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert all(each["AlarmActions"] for each in alarms)
    assert "Successfully created/updated stack" in deployed.first


def test_what_is_there_is_not_made_again(deployed):
    before = parameters(deployed)

    again = deployed.make("secrets")

    assert again.returncode == 0, again.stderr
    assert "made" not in again.stdout
    assert parameters(deployed) == before


def parameters(deployed):
    names = ["app-secret", "sealing-key", "signing-keys", "public-keys", "event-token"]
    answer = deployed.aws.client("ssm").get_parameters(
        Names=[f"/wechat-login/{STAGE}/{name}" for name in names], WithDecryption=True
    )
    return {each["Name"]: (each["Type"], each["Value"]) for each in answer["Parameters"]}


def test_one_tap_registration_works_as_deployed(deployed, alice):
    session, openid = alice["session"], alice["openid"]
    code = deployed.wechat.phone_code("alice")["code"]

    status, registered = deployed.call("POST", "/phone", session, openid=openid, code=code)
    assert status == 200, registered
    status, looked_up = deployed.call("POST", "/token", session, openid=openid)
    assert status == 200
    # Through the deployed authorizer, with the key set that the deployed keys give.
    status, who = deployed.call("GET", "/userinfo", looked_up["data"])
    assert status == 200, who
    assert who["phone_number_verified"] is True
    status, _ = deployed.call("GET", "/userinfo", "nonsense")
    assert status in {401, 403}


def test_an_account_is_seen_changed_and_erased_as_deployed(deployed, alice):
    session = alice["session"]

    assert deployed.call("PUT", "/account", session, nickname="Alice")[0] == 200
    status, account_ = deployed.call("GET", "/account", session)
    assert (status, account_["data"]["nickname"]) == (200, "Alice")
    assert len(deployed.call("GET", "/account/sessions", session)[1]["data"]) >= 1
    error, found = deployed.invoke("FindUser", {"openid": alice["openid"]})
    assert error is None, found
    assert found["users"][0]["userId"] == account_["data"]["userId"]
    assert deployed.call("POST", "/logout", session)[0] == 200
    assert deployed.call("GET", "/account", session)[0] == 401

    _, again = deployed.call("POST", "/login", code=deployed.wechat.login_code("alice"))
    assert deployed.call("DELETE", "/account", again["data"]["session"])[0] == 200
    assert deployed.invoke("FindUser", {"openid": alice["openid"]})[1] == {"users": []}


def test_the_scheduled_functions_do_their_work_as_deployed(deployed):
    error, renewed = deployed.invoke("RenewAccessToken", {})
    assert error is None, renewed
    error, rotated = deployed.invoke("RotateSigningKeys", {"now": True})
    assert (error, rotated["public_keys"]) == (None, 2), rotated


def test_a_function_without_its_permission_is_refused(deployed):
    """The proof that permissions decide here: taken away, the call fails, and says whose fault."""
    iam, role = deployed.aws.client("iam"), deployed.resources()["FindUserRole"]
    name = "FindUserRolePolicy0"
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName=name)
    try:
        error, told = deployed.invoke("FindUser", {"openid": "o-nobody"})
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))

    assert error
    assert "misconfigured" in told["errorMessage"]
    assert "AccessDenied" in told["errorMessage"]


def test_a_login_that_lambda_turns_away_raises_the_alarm(deployed):
    lambda_, name = deployed.aws.client("lambda"), deployed.resources()["Login"]
    watched = alarms.alarm("LoginThrottled", LoginName=name)
    assert not alarms.is_on(watched, measured(deployed, watched))

    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        status, _ = deployed.call("POST", "/login", code="any")
    finally:
        lambda_.delete_function_concurrency(FunctionName=name)

    assert status >= 429
    assert alarms.is_on(watched, measured(deployed, watched))


def measured(deployed, watched):
    """Give what CloudWatch has been told of an alarm's metric just now."""
    now = dt.datetime.now(dt.UTC)
    answer = deployed.aws.client("cloudwatch").get_metric_statistics(
        Namespace=watched["Namespace"],
        MetricName=watched["MetricName"],
        Dimensions=watched["Dimensions"],
        StartTime=now - dt.timedelta(minutes=1),
        EndTime=now + dt.timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )
    dimensions = {each["Name"]: each["Value"] for each in watched["Dimensions"]}
    return [
        alarms.point(watched["Namespace"], watched["MetricName"], each["Sum"], **dimensions)
        for each in answer["Datapoints"]
    ]


def test_a_run_that_could_not_be_started_raises_the_alarm(deployed):
    sqs, queue = deployed.aws.client("sqs"), deployed.resources()["FailedSchedules"]
    watched = alarms.alarm("SchedulesFailing", FailedSchedulesName=queue.rpartition("/")[2])

    def visible():
        asked = "ApproximateNumberOfMessages"
        answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[asked])
        # By this name SQS reports to CloudWatch what it tells here by the other.
        name = "ApproximateNumberOfMessagesVisible"
        value = float(answer["Attributes"][asked])
        return [alarms.point("AWS/SQS", name, value, QueueName=queue.rpartition("/")[2])]

    assert not alarms.is_on(watched, visible())
    sqs.send_message(QueueUrl=queue, MessageBody="as EventBridge Scheduler leaves it")
    assert alarms.is_on(watched, visible())
    sqs.purge_queue(QueueUrl=queue)


def test_the_doctor_finds_nothing_to_mend(deployed):
    deployed.invoke("RenewAccessToken", {})

    ran = deployed.doctor()

    failed = [line for line in ran.stdout.splitlines() if line.startswith("FAIL")]
    assert failed == [], ran.stdout + ran.stderr
    assert ran.returncode == 0


def test_the_doctor_had_named_all_that_ministack_left_out(deployed):
    named = " ".join(deployed.before)

    for each in ("TTL", "backup", "API", "discovery"):
        assert f"FAIL  {each}:" in named


def test_the_doctor_lets_the_function_ask_wechat_and_names_what_it_was_told(deployed):
    ssm, name = deployed.aws.client("ssm"), f"/wechat-login/{STAGE}/app-secret"
    put = {"Name": name, "Type": "SecureString", "Overwrite": True}
    ssm.put_parameter(Value="f" * 32, **put)
    try:
        ran = deployed.doctor()
    finally:
        ssm.put_parameter(Value=deployed.wechat.app_secret, **put)

    assert ran.returncode != 0
    (line,) = [each for each in ran.stdout.splitlines() if each.startswith("FAIL")]
    assert "WeChat refuses the AppSecret" in line
    assert "asked by the function" in line
    assert "ROTATE=app-secret" in line


def test_a_changed_parameter_takes_effect_and_logs_nobody_out(deployed):
    _, bob = deployed.call("POST", "/login", code=deployed.wechat.login_code("bob"))
    session, openid = bob["data"]["session"], bob["data"]["openid"]
    assert bob["data"]["token"] is None

    deploy(deployed, "PhoneRequired=false")

    status, body = deployed.call("POST", "/token", session, openid=openid)
    assert status == 200
    assert body["data"]


def test_the_routes_that_ministack_was_given_are_those_that_aws_gets():
    document = translated()
    body = resolver(document)(document["Resources"]["Api"]["Properties"]["Body"])
    there = {
        f"{method.upper()} {path}": operation
        for path, methods in body["paths"].items()
        for method, operation in methods.items()
    }
    stack = read_stack(APPID)

    assert set(there) == {route.key for route in stack.routes}
    for route in stack.routes:
        integration = there[route.key]["x-amazon-apigateway-integration"]
        assert integration["payloadFormatVersion"] == "2.0"
        assert f"function:wechat-login-test-{route.function}/" in integration["uri"].replace(
            "cloudformation:us-east-1:000000000000:resource/", "function:"
        )
        guards = [list(each) for each in there[route.key].get("security", [])]
        assert guards == ([[route.authorizer]] if route.authorizer else [])


def test_the_authorizer_the_throttles_and_cors_are_in_what_aws_gets():
    document = translated()
    resources = document["Resources"]
    body = resources["Api"]["Properties"]["Body"]
    stage = resources["ApiApiGatewayDefaultStage"]["Properties"]
    scheme = body["components"]["securitySchemes"]["Token"]["x-amazon-apigateway-authorizer"]

    assert resources["Api"]["Properties"]["FailOnWarnings"] is True
    assert scheme["enableSimpleResponses"] is True
    assert scheme["identitySource"] == ["$request.header.Authorization"]
    assert stage["RouteSettings"].keys() == {"POST /login", "POST /phone"}
    for each in (stage["DefaultRouteSettings"], *stage["RouteSettings"].values()):
        assert {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= each.keys()
    # No origins, no CORS at all.
    assert "x-amazon-apigateway-cors" not in resolver(document)(body)
    origins = resolver(document, CorsOrigins="https://a.example")(body)["x-amazon-apigateway-cors"]
    assert origins["allowOrigins"] == ["https://a.example"]
    log = json.loads(stage["AccessLogSettings"]["Format"])
    for secret in ("header", "authorization", "query", "path", "claims", "body"):
        assert secret not in " ".join(log.values()).lower()
