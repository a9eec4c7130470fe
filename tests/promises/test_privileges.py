"""Each function's permissions are exactly the calls that it makes, from recorded calls."""

import contextlib
import copy
import functools
import json
import os
import re
import sys
import time

import pytest
import requests

from simulated_wechat.message_push import MessagePush
from stack.cloudformation import ACCOUNT, REGION
from stack.template import ROOT
from tests.support import privileges, stored
from tests.support.backend import ACCESS_TOKEN
from tests.support.policies import FUNCTIONS, differences, granted, statements
from tests.support.translated import resolver, translated
from tests.support.written import run, stack

# SAM's own permissions of every role, on all resources; the boundary restricts them.
OF_LOGS = {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}
OF_NETWORK = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}
OF_STREAMS = {
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
}
MANAGED = {
    "AWSLambdaDynamoDBExecutionRole": OF_LOGS | OF_STREAMS,
    "AWSLambdaBasicExecutionRole": OF_LOGS,
    "AWSLambdaVPCAccessExecutionRole": OF_LOGS | OF_NETWORK,
}
# Lambda itself makes these calls with the function's role, so no client of ours records them.
BY_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents"}
TABLE = privileges.table("wechat-login-test-Table")
DAY = 86_400
SECOND = "wxfedcba0987654321"

each_function = pytest.mark.parametrize("function", FUNCTIONS)
with_and_without_events = pytest.mark.parametrize("events", ["false", "true"])


def bounded(document, **parameters):
    resolve = resolver(document, **parameters)
    boundary = document["Resources"]["Boundary"]["Properties"]["PolicyDocument"]
    return set(statements(boundary, resolve))


def permitting(*, events="true"):
    """Return the policies of a deployment with all options; `events` are a choice."""
    return privileges.permitting(**privileges.OPTIONS, Events=events)


@pytest.mark.usefixtures("exercised")
@with_and_without_events
def test_a_function_uses_all_that_it_is_granted_and_nothing_else(events):
    # tests.support.privileges compares again at the end, with what all other tests have used.
    used = privileges.USED[events]

    assert set(used) == set(FUNCTIONS) - ({"PublishEvents"} if events == "false" else set())
    assert differences(used, permitting(events=events)) == []


@pytest.mark.usefixtures("exercised")
def test_without_events_no_function_has_a_permission_for_them():
    document, used = permitting(events="false"), privileges.USED["false"]

    assert granted("PublishEvents", document) == set()
    for function in FUNCTIONS:
        assert not [on for _, on in granted(function, document) if "EVENT#" in on]
        assert not [on for _, on in used.get(function, set()) if "EVENT#" in on]
    assert not [action for action, _ in bounded(document) if action.startswith(("events:", "sqs:"))]


@pytest.mark.usefixtures("exercised")
def test_a_function_holds_no_secret_of_an_option_that_is_off(deployed_with, monkeypatch):
    monkeypatch.setitem(privileges.USED, "false", {})
    backend = deployed_with()
    bob = backend.person("bob")
    bob.register()
    with alone(backend, "UpdateAccount"):
        assert backend.call("update_account", session=bob.session, nickname="Bob")[0] == 200
    document = privileges.permitting()

    assert privileges.USED["false"]["UpdateAccount"] == granted("UpdateAccount", document)
    secrets = {
        resource.rpartition("test/")[2] for _, resource in granted("UpdateAccount", document)
    }
    assert not secrets & {"app-secrets", "access-token/*"}


@pytest.mark.parametrize("options", [[], ["-p", "xdist", "-n2"]], ids=["alone", "with workers"])
def test_a_run_fails_if_a_function_exceeds_its_policies(tmp_path, options):
    scan = ("dynamodb:Scan", "a table")
    (tmp_path / "test_privileges.py").write_text(
        f"from tests.support import privileges\n"
        f"def test_it(): privileges.USED['false']['Login'] = {{{scan}}}\n"
    )
    plugins = ["-p", "tests.support.privileges", "-p", "no:cacheprovider"]

    ran = run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, *plugins, *options, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )

    assert ran.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 passed" in ran.stdout
    assert f"Login used {scan} and may not" in ran.stdout


@each_function
@pytest.mark.usefixtures("exercised")
def test_one_action_more_or_less_would_be_noticed(function):
    for change in (add_an_action, *ways_to_take_one(function)):
        document = permitting()
        change(document["Resources"][f"{function}Role"]["Properties"]["Policies"][0])

        assert any(
            each.startswith(f"{function} ")
            for each in differences(privileges.USED["true"], document)
        )


def add_an_action(policy):
    """Add one more permission to the first statement: for the table or SSM, deletion."""
    statement = policy["PolicyDocument"]["Statement"][0]
    service = listed(statement["Action"])[0].partition(":")[0]
    more = {
        "dynamodb": "dynamodb:Query",
        "events": "events:PutRule",
        "ssm": "ssm:DeleteParameter",
    }[service]
    statement["Action"] = [*listed(statement["Action"]), more]


def ways_to_take_one(function):
    document = permitting()
    policy = document["Resources"][f"{function}Role"]["Properties"]["Policies"][0]
    for at, statement in enumerate(policy["PolicyDocument"]["Statement"]):
        for action in listed(statement["Action"]):
            yield taking(at, "Action", action)
        for resource in listed(statement["Resource"]):
            yield taking(at, "Resource", resource)


def taking(at, kind, what):
    def change(policy):
        statement = policy["PolicyDocument"]["Statement"][at]
        statement[kind] = [each for each in listed(statement[kind]) if each != what]

    return change


def listed(value):
    return value if isinstance(value, list) else [value]


@each_function
@with_and_without_events
def test_the_boundary_allows_the_functions_own_policy(function, events):
    document = permitting(events=events)
    allowed = bounded(document, Events=events)

    for action, resource in granted(function, document):
        assert any(
            action == wide and (resource == on or resource.startswith(on.removesuffix("*")))
            for wide, on in allowed
        ), (action, resource)


@pytest.mark.parametrize(
    ("parameters", "beyond"),
    [
        pytest.param({}, set(), id="as it is"),
        pytest.param(
            {"VpcSubnetIds": "subnet-1", "VpcSecurityGroupIds": "sg-1"}, OF_NETWORK, id="in a VPC"
        ),
        pytest.param({"Events": "true"}, OF_STREAMS, id="with events"),
    ],
)
def test_the_boundary_limits_sams_own_grants_to_this_stack(parameters, beyond):
    document = translated(**parameters)
    allowed = bounded(document, **parameters)
    roles = [document["Resources"][f"{each}Role"]["Properties"] for each in FUNCTIONS]
    sams = set()
    for role in roles:
        assert role["PermissionsBoundary"] == {"Ref": "Boundary"}
        names = {arn.rpartition("/")[2] for arn in role["ManagedPolicyArns"]}
        sams |= {action for name in names for action in MANAGED[name]}
    effective = {(action, on) for action, on in allowed if action in sams}

    # EC2's network interfaces cannot be granted on less than everything.
    assert {on for action, on in effective if action in OF_NETWORK} <= {"*"}
    assert {on for action, on in effective if action in OF_STREAMS} <= {f"{TABLE}/stream/*"}
    assert {action for action, _ in effective} == BY_LAMBDA | beyond
    assert all("Logs" in on for action, on in effective if action in BY_LAMBDA)


def test_the_boundary_allows_keys_through_the_two_services_only():
    document = translated()
    boundary = document["Resources"]["Boundary"]["Properties"]["PolicyDocument"]
    (keys,) = [
        each
        for each in resolver(document)(boundary)["Statement"]
        if any(action.startswith("kms:") for action in each["Action"])
    ]

    assert keys["Resource"].endswith(":key/*")
    assert list(keys["Condition"]) == ["StringLike"]
    assert {
        each.partition(".")[0] for each in keys["Condition"]["StringLike"]["kms:ViaService"]
    } == {
        "dynamodb",
        "ssm",
    }


@with_and_without_events
def test_every_role_may_use_your_own_key_and_only_through_the_two_services(events):
    key = "arn:aws:kms:us-east-1:123456789012:key/0"
    chosen = {"KmsKeyArn": key, "Events": events}
    document = translated(**chosen)
    use = document["Resources"]["KeyUse"]["Properties"]
    resolve = resolver(document, **chosen)
    (allowed,) = resolve(use["PolicyDocument"])["Statement"]
    there = [name for name in FUNCTIONS if name != "PublishEvents" or events == "true"]

    assert sorted(resolve(use["Roles"])) == [resolve({"Ref": f"{name}Role"}) for name in there]
    assert allowed["Resource"] == key
    assert {
        each.partition(".")[0] for each in allowed["Condition"]["StringLike"]["kms:ViaService"]
    } == {
        "dynamodb",
        "ssm",
    }
    assert document["Resources"]["KeyUse"]["Condition"] == "HasKmsKey"


@each_function
def test_nothing_is_granted_on_everything(function):
    for action, resource in granted(function, permitting()):
        assert "*" not in action
        # Each mini program has an access token of its own, and more may be added.
        assert "*" not in resource.removesuffix("/access-token/*").removesuffix(" EVENT#*")


def test_a_schedule_may_start_its_function_and_report_failure():
    document = translated()
    resolve = resolver(document)
    for function in ("RenewAccessToken", "RotateSigningKeys"):
        role = document["Resources"][f"{function}ScheduleRole"]["Properties"]
        may = {
            pair
            for policy in role["Policies"]
            for pair in statements(policy["PolicyDocument"], resolve)
        }
        own = resolve({"Ref": f"{function}Aliaslive"})
        queue = resolve({"Fn::GetAtt": ["FailedSchedules", "Arn"]})

        assert may == {("lambda:InvokeFunction", own), ("sqs:SendMessage", queue)}
        assert "ManagedPolicyArns" not in role


def test_only_our_api_may_call_a_function_and_only_by_its_route():
    document = translated()
    permissions = [
        each["Properties"]
        for each in document["Resources"].values()
        if each["Type"] == "AWS::Lambda::Permission"
    ]
    routes = {route.key for route in stack().routes}

    for each in permissions:
        assert each["Principal"] == "apigateway.amazonaws.com"
        assert "__ApiId__" in json.dumps(each["SourceArn"])
    reached = [each["SourceArn"]["Fn::Sub"][0].rpartition("}/")[2] for each in permissions]
    assert sorted(reached) == sorted(
        [
            "authorizers/*",
            *(re.sub(r"\{\w+\}", "*", key.replace(" ", "")) for key in routes),
        ]
    )


@contextlib.contextmanager
def alone(backend, function):
    """Set the environment that Lambda gives this function, and discard all built parts."""
    own = backend.deployment.stack.functions[function].environment
    others = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.endswith("_PARAMETER") and name not in own
    }
    backend.cold_start()
    try:
        yield
    finally:
        os.environ.update(others)
        backend.cold_start()


@pytest.fixture(scope="module")
def _done():
    return []


@pytest.fixture
def exercised(_done, request):
    """Run all tasks of each function once, in its own environment."""
    if _done:
        return
    deploy, wechat, ministack = map(
        request.getfixturevalue, ("deployed_with", "wechat", "ministack")
    )
    for events in ("false", "true"):
        Exercise(functools.partial(deploy, Events=events), events=events).all()
        requests.post(f"{ministack.url}/_ministack/reset", timeout=60).raise_for_status()
        wechat.reset()
    _done.append(True)


class Exercise:
    """A short life of one deployment, in which each function does all its tasks."""

    def __init__(self, deployed_with, *, events):
        self.has_events = events == "true"
        self.deployed_with = deployed_with
        self.backend = deployed_with(**privileges.OPTIONS)
        self.wechat = self.backend.wechat
        self.alice, self.bob = self.backend.person("alice"), self.backend.person("bob")

    def all(self):
        for each in (
            self.log_in,
            self.renew,
            self.register,
            self.speak_for_a_token,
            self.use_the_account,
            self.be_found,
            self.be_listed_and_blocked,
            self.hear_from_wechat,
            self.leave,
            self.rotate,
            self.be_merged,
            self.be_erased,
        ):
            each()
        if self.has_events:
            self.publish()

    def publish(self):
        event = json.loads((ROOT / "events" / "publish_events.json").read_text("utf-8"))
        poison = copy.deepcopy(event["Records"][0])
        del poison["dynamodb"]["NewImage"]["detail"]
        with alone(self.backend, "PublishEvents"):
            for records in (event["Records"], [poison]):
                published = self.backend.deployment.invoke("publish_events", {"Records": records})
                assert published == {"batchItemFailures": []}

    def log_in(self):
        with alone(self.backend, "Login"):
            self.alice.log_in()
            self.alice.log_in()
            self.bob.log_in()
            self.join_another_open_platform_account()
            self.bob.log_in()

    def join_another_open_platform_account(self):
        """Let bob's unionid be one that WeChat gave in a former Open Platform account."""
        pk = f"USER#{self.wechat.appid}#{self.bob.openid}"
        profile = self.backend.items()[pk, "PROFILE"]
        claim = {
            "pk": {"S": "UNION#oFormer"},
            "sk": {"S": "OWNER"},
            "userId": {"S": profile["userId"]},
            "owners": {"SS": [pk]},
        }
        self.backend.dynamodb.put_item(TableName=self.backend.table, Item=claim)
        self.backend.dynamodb.update_item(
            TableName=self.backend.table,
            Key={"pk": {"S": pk}, "sk": {"S": "PROFILE"}},
            UpdateExpression="SET unionid = :former",
            ExpressionAttributeValues={":former": {"S": "oFormer"}},
        )

    def renew(self):
        with alone(self.backend, "RenewAccessToken"):
            self.backend.deployment.invoke("renew_access_token", {})

    def register(self):
        # A dead token makes the function renew it by itself.
        self.backend.set_parameter(ACCESS_TOKEN, "{}")
        self.wechat.set_phone("alice", "13900000001")
        with alone(self.backend, "RegisterPhone"):
            spent = self.alice.phone_code()
            assert self.alice.tap(spent)[0] == 200
            self.wechat.set_phone("alice", "13900000002")
            assert self.alice.tap()[0] == 200  # leaves the former number
            assert self.alice.tap(spent)[0] == 429  # finds that the code is tried
            self.wechat.set_phone("bob", "13900000002")
            assert self.bob.tap()[0] == 200  # takes alice's number over

    def speak_for_a_token(self):
        self.a_day_later()
        with alone(self.backend, "LookUpToken"):
            status, body = self.bob.look_up_token()
        assert status == 200
        headers = [("Authorization", f"Bearer {body['data']}")]
        with alone(self.backend, "PublishKeys"):
            for name in ("jwks.json", "openid-configuration"):
                assert requests.get(f"{self.backend.url}/.well-known/{name}", timeout=20).ok
        event = {
            "headers": {"authorization": f"Bearer {body['data']}"},
            "requestContext": {},
            "version": "2.0",
        }
        with alone(self.backend, "Authorize"):
            assert self.backend.deployment.invoke("authorize", event)["isAuthorized"] is True
        # Behind the authorizer, which has the key set from its own run just now.
        assert self.backend.send("GET", "/userinfo", headers=headers).status == 200

    def use_the_account(self):
        for function, module, fields in (
            ("ShowAccount", "show_account", {}),
            ("ListSessions", "list_sessions", {}),
            ("UpdateAccount", "update_account", {"nickname": "Bob"}),
        ):
            self.a_day_later()
            self.backend.set_parameter(ACCESS_TOKEN, "{}")
            with alone(self.backend, function):
                status, body = self.backend.call(module, session=self.bob.session, **fields)
            assert status == 200, body
        self.a_day_later()
        with alone(self.backend, "EndSession"):
            headers = [("Authorization", f"Bearer {self.bob.session}")]
            shown = self.backend.call("list_sessions", session=self.bob.session)[1]["data"]
            (ours,) = [each["id"] for each in shown if each["current"]]
            self.a_day_later()
            ended = self.backend.send("DELETE", f"/account/sessions/{ours}", headers=headers)
        assert ended.status == 200
        self.bob.log_in()

    def be_found(self):
        with alone(self.backend, "FindUser"):
            invoke = self.backend.deployment.invoke
            (found,) = invoke("find_user", {"openid": self.bob.openid})["users"]
            assert invoke("find_user", {"userId": found["userId"]})["users"] == [found]
            assert invoke("find_user", {"phone": found["phone"]})["users"] == [found]

    def be_listed_and_blocked(self):
        invoke = self.backend.deployment.invoke
        with alone(self.backend, "ListUsers"):
            (shown,) = [
                user
                for user in invoke("list_users", {})["users"]
                if user["openid"] == self.bob.openid
            ]
            assert shown["phone"]
        for blocked in (True, False):
            change = {"openid": self.bob.openid, "blocked": blocked, "reason": "spam"}
            with alone(self.backend, "UpdateUser"):
                assert len(invoke("update_user", change)["users"]) == 1
        with alone(self.backend, "EndSessions"):
            assert invoke("end_sessions", {"phone": self.bob.phone}) == {"found": 1}
        self.bob.log_in()

    def hear_from_wechat(self):
        carol = self.backend.person("carol")
        carol.register()
        parameters = self.backend.deployment.parameters
        push = MessagePush(self.backend.url, parameters["event-token"], parameters["event-aes-key"])
        with alone(self.backend, "ReceiveEvent"):
            assert push.check_url(int(time.time()), "echo").status == 200
            for event, info in (
                ("user_authorization_revoke", "8,6"),
                ("user_authorization_cancellation", ""),
            ):
                message = {
                    "ToUserName": "gh_1",
                    "FromUserName": "gh_2",
                    "CreateTime": int(time.time()) + 5,
                    "MsgType": "event",
                    "Event": event,
                    "OpenID": carol.openid,
                    "AppID": self.wechat.appid,
                    "RevokeInfo": info,
                }
                answer = push.send(
                    message, appid=self.wechat.appid, openid=carol.openid, as_xml=False
                )
                assert answer.status == 200

    def leave(self):
        self.bob.log_in()
        self.a_day_later()
        with alone(self.backend, "LogOut"):
            assert self.bob.log_out()[0] == 200
        self.bob.log_in()
        with alone(self.backend, "LogOut"):
            assert self.bob.log_out(everywhere=True)[0] == 200
        self.bob.log_in()
        self.a_day_later()
        # The claims on the userId and the unionid keep another owner.
        self.backend.add_mini_program(SECOND)
        self.backend.person("bob", SECOND).log_in()
        with alone(self.backend, "EraseAccount"):
            assert self.backend.call("erase_account", session=self.bob.session)[0] == 200

    def rotate(self):
        with alone(self.backend, "RotateSigningKeys"):
            self.backend.deployment.invoke("rotate_signing_keys", {"now": True})

    def be_merged(self):
        for each in self.wechat.mini_programs():
            each.unionids = False
        for appid in (None, SECOND):
            self.backend.person("frank", appid).log_in()
        for each in self.wechat.mini_programs():
            each.unionids = True
        for appid in (None, SECOND):
            self.backend.person("frank", appid).log_in()
        event = {"unionid": self.wechat.unionid("frank"), "dryRun": False}
        with alone(self.backend, "MergeUsers"):
            merged = self.backend.deployment.invoke("merge_users", event)
        assert len(merged["merged"]) == 1

    def be_erased(self):
        backend = self.deployed_with(PhoneConflict="link")
        dave, erin = backend.person("dave"), backend.person("erin")
        dave.register()
        self.wechat.set_phone("erin", dave.phone.removeprefix("+86"))
        erin.log_in()
        with alone(backend, "RegisterPhone"):
            erin.register()
        backend.add_mini_program(SECOND)
        backend.person("dave", SECOND).log_in()
        with alone(backend, "EraseUser"):
            assert backend.deployment.invoke("erase_user", {"phone": dave.phone}) == {"erased": 2}

    def a_day_later(self):
        """Set the last use of every session to two days ago, so that it is extended."""
        for session in stored.sessions(self.backend.items()):
            self.backend.change_session(session, usedAt=int(time.time()) - 2 * DAY)


def test_the_recorder_knows_the_permissions_of_a_transaction():
    users, locks = ({"TableName": f"wechat-login-demo-{name}"} for name in ("users", "locks"))
    writes = [{"Put": users}, {"Update": users}, {"Delete": locks}, {"ConditionCheck": locks}]

    asked = privileges.needed("dynamodb", "TransactWriteItems", {"TransactItems": writes})

    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/wechat-login-test"
    assert asked == {
        ("dynamodb:PutItem", f"{table}-users"),
        ("dynamodb:UpdateItem", f"{table}-users"),
        ("dynamodb:DeleteItem", f"{table}-locks"),
        ("dynamodb:ConditionCheckItem", f"{table}-locks"),
    }
