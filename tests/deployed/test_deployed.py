"""The README's three commands, for real: `sam deploy` to ministack, calls, and deletion.

The limits of ministack, and the tests that cover them:

- It reads no routes, authorizers, throttles or CORS from an HttpApi. They are added here by API
  calls, read from the template; that the template has them is checked on the translated template.
- It makes the table without its TTL and its backups, which are added by API calls.
- `sam delete` does not accept ministack's address of the nested template as S3's, so CloudFormation
  deletes the stack.
- It does not support AWS::Logs::QueryDefinition and CodeDeploy: emulator_process.py makes these in
  name only. Both are translated and linted (test_portability.py, test_deploying.py).
- Its IAM does not see which parameters `ssm:GetParameters` names, and takes it as a call on all of
  SSM; so every role gets that here. All other calls, also DynamoDB's transactions, depend on the
  deployed roles and boundary. test_privileges.py checks the parameters that a function may read.
- It runs functions with SAM CLI's Python, on this machine: Linux on x86_64, as the layer is built.
"""

import datetime as dt
import io
import json
import platform
import sys
import threading
import zipfile
from dataclasses import dataclass

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
MACHINES = {62: "x86_64", 183: "arm64"}  # of an ELF file
PATIENCE = 60


class Deployed:
    """A stack in an account, with a WeChat, and the operators' commands."""

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
            FunctionName=self.resources()[f"{function}Aliaslive"],
            Payload=json.dumps(event).encode(),
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
        """Create the parts of an HttpApi's OpenAPI document that ministack ignores."""
        api, resources = self.aws.client("apigatewayv2"), self.resources()
        stack = read_stack(APPID)
        integrations, authorizers = {}, {}
        for function in stack.functions:
            made = api.create_integration(
                ApiId=resources["Api"],
                IntegrationType="AWS_PROXY",
                IntegrationUri=resources[f"{function}Aliaslive"],
                PayloadFormatVersion="2.0",
            )
            integrations[function] = f"integrations/{made['IntegrationId']}"
        for authorizer in stack.authorizers.values():
            made = api.create_authorizer(
                ApiId=resources["Api"],
                Name=authorizer.name,
                AuthorizerType="REQUEST",
                AuthorizerUri=self._invocation(resources[f"{authorizer.function}Aliaslive"]),
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
        """Switch on a table's TTL and backups, as CloudFormation does."""
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
        """Grant each role the permission that ministack cannot restrict to a resource."""
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

    def _invocation(self, arn):
        path = f"2015-03-31/functions/{arn}/invocations"
        return f"arn:aws:apigateway:us-east-1:lambda:path/{path}"


@pytest.fixture(scope="module")
def deployed():
    """Set up, deploy and maintain a stack with the README's commands only."""
    wechat = SimulatedWeChat()
    server = serve(wechat)
    with account() as aws:
        it = Deployed(aws, wechat, server.url)
        try:
            made = it.make("secrets", stdin=f"{wechat.appid}\n{wechat.app_secret}\n")
            assert made.returncode == 0, made.stderr
            # The API's address is known once it is there, and the issuer is a parameter.
            it.first = deploy(it, "TokenAudience=for-once", "SessionDays=3")
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


def deploy(it, *more, gradual=False):
    settings = " ".join([f"WeChatUrl={it.wechat_url}", "Issuer=http://127.0.0.1/issuer", *more])
    ran = it.make("deploy", f"PARAMETERS={settings}", f"GRADUAL={str(gradual).lower()}")
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


def delete(it):
    cloudformation = it.aws.client("cloudformation")
    cloudformation.delete_stack(StackName=STACK)
    waiter = cloudformation.get_waiter("stack_delete_complete")
    waiter.wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": PATIENCE})
    tables = it.aws.client("dynamodb").list_tables()["TableNames"]
    functions = it.aws.client("lambda").list_functions()["Functions"]

    # Only data outlives its stack.
    assert len(tables) == 1
    assert functions == []


@pytest.fixture
def alice(deployed):
    """A person who has just logged in through the deployed functions."""
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
    assert len(stacks) == 2  # with the alarms
    alarms = deployed.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert all(each["AlarmActions"] for each in alarms)
    assert "Successfully created/updated stack" in deployed.first


def test_existing_secrets_are_not_made_again(deployed):
    before = parameters(deployed)

    again = deployed.make("secrets")

    assert again.returncode == 0, again.stderr
    assert "made" not in again.stdout
    assert parameters(deployed) == before


def parameters(deployed):
    names = ["app-secrets", "sealing-key", "signing-keys", "public-keys", "event-token"]
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
    """The proof that permissions are enforced: without one, the call fails and names the cause."""
    iam, role = deployed.aws.client("iam"), deployed.resources()["FindUserRole"]
    name = "FindUserRolePolicy0"
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName=name)
    try:
        error, answer = deployed.invoke("FindUser", {"openid": "o-nobody"})
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))

    assert error
    assert "misconfigured" in answer["errorMessage"]
    assert "AccessDenied" in answer["errorMessage"]


def test_a_login_that_lambda_turns_away_raises_the_alarm(deployed):
    lambda_, name = deployed.aws.client("lambda"), deployed.resources()["Login"]
    watched = alarms.alarm("LoginThrottled", LoginName=name)
    assert not alarms.is_on(watched, measured(deployed, watched))

    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        # Lambda rejects calls of the alias, too; ministack only calls of the function itself.
        with pytest.raises(lambda_.exceptions.TooManyRequestsException):
            lambda_.invoke(FunctionName=name, Payload=b"{}")
    finally:
        lambda_.delete_function_concurrency(FunctionName=name)

    assert alarms.is_on(watched, measured(deployed, watched))


def measured(deployed, watched):
    """Return the latest values of an alarm's metric in CloudWatch."""
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
        # SQS's name for this value in CloudWatch.
        name = "ApproximateNumberOfMessagesVisible"
        value = float(answer["Attributes"][asked])
        return [alarms.point("AWS/SQS", name, value, QueueName=queue.rpartition("/")[2])]

    assert not alarms.is_on(watched, visible())
    sqs.send_message(QueueUrl=queue, MessageBody="as EventBridge Scheduler leaves it")
    assert alarms.is_on(watched, visible())
    sqs.purge_queue(QueueUrl=queue)


def test_the_doctor_finds_nothing_to_fix(deployed):
    deployed.invoke("RenewAccessToken", {})

    ran = deployed.doctor()

    failed = [line for line in ran.stdout.splitlines() if line.startswith("FAIL")]
    assert failed == [], ran.stdout + ran.stderr
    assert ran.returncode == 0


def test_the_doctor_had_named_all_that_ministack_left_out(deployed):
    named = " ".join(deployed.before)

    for each in ("TTL", "backup", "API", "discovery"):
        assert f"FAIL  {each}:" in named


def test_the_doctor_makes_the_function_ask_wechat_and_names_the_answer(deployed):
    ssm, name = deployed.aws.client("ssm"), f"/wechat-login/{STAGE}/app-secrets"
    appid = deployed.wechat.appid
    put = {"Name": name, "Type": "SecureString", "Overwrite": True}
    ssm.put_parameter(Value=json.dumps({appid: "f" * 32}), **put)
    try:
        ran = deployed.doctor()
    finally:
        ssm.put_parameter(Value=json.dumps({appid: deployed.wechat.app_secret}), **put)

    assert ran.returncode != 0
    (line,) = [each for each in ran.stdout.splitlines() if each.startswith("FAIL")]
    assert "WeChat rejects the AppSecret" in line
    assert "asked by the function" in line
    assert "ROTATE=app-secret" in line


def settings_of(deployed):
    (stack,) = deployed.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


def architectures(deployed):
    """Return the architectures of the functions, of their layer, and of each of its libraries."""
    lambda_ = deployed.aws.client("lambda")
    functions = lambda_.list_functions()["Functions"]
    of_functions = {name for each in functions for name in each["Architectures"]}
    (layer,) = {each["Arn"] for one in functions for each in one["Layers"]}
    found = lambda_.get_layer_version_by_arn(Arn=layer)
    archive = requests.get(
        found["Content"]["Location"].replace("http://localhost", "http://127.0.0.1"), timeout=60
    ).content
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        libraries = [opened.read(each) for each in opened.namelist() if each.endswith(".so")]
    # e_machine, of an ELF file's header
    of_libraries = {MACHINES[int.from_bytes(each[18:20], "little")] for each in libraries}
    return of_functions | set(found["CompatibleArchitectures"]) | of_libraries


class Caller(threading.Thread):
    """A client that requests a token again and again, and records the answers."""

    def __init__(self, deployed):
        super().__init__(daemon=True)
        _, body = deployed.call("POST", "/login", code=deployed.wechat.login_code("bob"))
        self._deployed, self._identity = deployed, body["data"]
        self._ended = threading.Event()
        self.answers = []

    def ask(self):
        identity = self._identity
        status, body = self._deployed.call(
            "POST", "/token", identity["session"], openid=identity["openid"]
        )
        return status, bool(body.get("data"))

    def run(self):
        # CloudFormation replaces nothing in less than a second.
        while not self._ended.wait(0.1):
            self.answers.append(self.ask())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self.join()


def versions(deployed):
    lambda_, resources = deployed.aws.client("lambda"), deployed.resources()
    return {
        name: lambda_.get_alias(FunctionName=resources[name], Name="live")["FunctionVersion"]
        for name in read_stack(APPID).functions
    }


@dataclass
class Change:
    """What happened at the second deployment of a stack."""

    settings: list[dict[str, str]]  # before and after
    versions: list[dict[str, str]]  # before, after the gradual deployment, and after the next
    shown: str
    first_answer: tuple[int, bool]
    answers: list[tuple[int, bool]]


@pytest.fixture(scope="module")
def changed(deployed):
    """Deploy a change gradually, and a fix at once, while a caller with no number asks for tokens.

    The settings that only the first deployment had are not given again.
    """
    settings, released = [settings_of(deployed)], [versions(deployed)]
    with Caller(deployed) as bob:
        first_answer = bob.ask()
        shown = deploy(deployed, "PhoneRequired=false", gradual=True)
        released.append(versions(deployed))
        # As if the new release had a bug: a fix can still be deployed.
        deployed.aws.client("cloudwatch").set_alarm_state(
            AlarmName=deployed.resources()["RollbackBugs"], StateValue="ALARM", StateReason="-"
        )
        deploy(deployed, "PhoneRequired=false")
    settings.append(settings_of(deployed))
    released.append(versions(deployed))
    return Change(settings, released, shown, first_answer, bob.answers)


def test_a_parameter_of_one_deployment_is_gone_after_the_next(changed, deployed):
    once, now = changed.settings

    assert (once["TokenAudience"], once["SessionDays"]) == ("for-once", "3")
    assert now == {**once, "TokenAudience": "", "SessionDays": "30", "PhoneRequired": "false"}
    assert 'TokenAudience: for-once → ""' in changed.shown
    assert architectures(deployed) == {now["Architecture"]} == {"x86_64"}


def test_a_caller_meets_no_gap_on_the_way_to_gradual_and_back(changed):
    before, stepwise, fixed = changed.versions
    answers = changed.answers

    assert changed.first_answer == (200, False)
    assert {status for status, _ in answers} == {200}
    assert [given for _, given in answers] == sorted(given for _, given in answers)
    assert answers[-1] == (200, True)
    assert all(stepwise[name] != before[name] for name in before)
    # The same release: nothing was published again.
    assert fixed == stepwise


def test_a_release_is_taken_back_in_seconds_and_can_be_deployed_again(changed, deployed):
    _, bob = deployed.call("POST", "/login", code=deployed.wechat.login_code("bob"))
    session, openid = bob["data"]["session"], bob["data"]["openid"]

    def needs_no_phone():
        status, body = deployed.call("POST", "/token", session, openid=openid)
        assert status == 200
        return body["data"] is not None

    good = changed.versions[0]
    assert versions(deployed) != good
    assert needs_no_phone()

    back = deployed.make("rollback")

    assert back.returncode == 0, back.stderr
    assert versions(deployed) == good
    assert not needs_no_phone()
    again = deployed.make("rollback")
    assert (again.returncode, versions(deployed)) == (0, good)
    assert "note  release: " in deployed.doctor().stdout
    gradual = [sys.executable, "-m", "ops.deploy", STAGE, "--gradual"]
    refused = run(gradual, cwd=ROOT, env=deployed.aws.environment)
    assert (refused.returncode, "without GRADUAL" in refused.stderr) == (1, True)
    # The same release that was rolled back.
    deploy(deployed, "PhoneRequired=false")
    assert needs_no_phone()


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
        assert f"/wechat-login-test-{route.function}Aliaslive/" in integration["uri"]
        guards = [list(each) for each in there[route.key].get("security", [])]
        assert guards == ([[route.authorizer]] if route.authorizer else [])


def test_the_template_for_aws_has_authorizer_throttles_and_cors():
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
