"""`make secrets`: asks for secrets, makes and stores them, and shows none."""

import json
import os
import sys
import time

import boto3
import pytest

from ops import secrets
from stack.cloudformation import REGION
from stack.template import ROOT
from tests.support.commands import run_here
from tests.support.terminal import at_a_terminal
from tests.support.written import run
from wechat_login.storage.sealing import Keyring

APPID = "wx1234567890abcdef"
APP_SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
DAY = 86_400
COMMAND = [sys.executable, "-m", "ops.secrets"]
MADE = {
    "appid",
    "app-secrets",
    "sealing-key",
    "event-token",
    "event-aes-key",
    "signing-keys",
    "public-keys",
}


class Team:
    """A person at a terminal, with an AWS account of ministack's."""

    def __init__(self, ministack, account):
        self.account = str(account)
        self.environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": ministack.url,
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def secrets(self, *arguments, stdin="", **environment):
        environment = {**self.environment, **environment}
        return run_here(secrets.main, *arguments, environment=environment, stdin=stdin)

    def process(self, *arguments, stdin):
        """Run the command as `make secrets` does."""
        return run([*COMMAND, *arguments], cwd=ROOT, env=self.environment, input=stdin)


@pytest.fixture
def account():
    """An account of ministack's that no other test uses."""
    return str(500_000_000_000 + time.monotonic_ns() % 10**11)


@pytest.fixture
def team(ministack, account):
    return Team(ministack, account)


@pytest.fixture
def aws(ministack, account):
    """Clients of the team's account, so that the test may look."""
    keys = {"aws_access_key_id": account, "aws_secret_access_key": "local"}
    url = ministack.url
    return lambda name: boto3.client(name, endpoint_url=url, region_name=REGION, **keys)


@pytest.fixture
def stored(aws):
    def read(stage="dev"):
        answer = aws("ssm").get_parameters_by_path(
            Path=f"/wechat-login/{stage}", WithDecryption=True, MaxResults=10
        )
        return {each["Name"].rpartition("/")[2]: each for each in answer["Parameters"]}

    return read


def test_it_makes_all_that_a_deployment_needs(team, stored):
    ran = team.process("dev", stdin=f"{APPID}\n{APP_SECRET}\n")

    found = stored()
    values = {name: each["Value"] for name, each in found.items()}
    assert ran.returncode == 0, ran.stderr
    assert found.keys() == MADE
    assert {each["Type"] for name, each in found.items() if name != "appid"} == {"SecureString"}
    assert (values["appid"], json.loads(values["app-secrets"])) == (APPID, {APPID: APP_SECRET})
    ring = Keyring.from_json(values["sealing-key"])
    assert ring.open(ring.seal("a number", context="here"), context="here") == "a number"
    private, public = (json.loads(values[name])["keys"] for name in ("signing-keys", "public-keys"))
    assert [key["kid"] for key in private] == [key["kid"] for key in public]
    assert "d" not in public[0]
    assert len(values["event-aes-key"]) == 43


def test_no_secret_is_printed(team, stored):
    ran = team.process("dev", stdin=f"{APPID}\n{APP_SECRET}\n")

    said = ran.stdout + ran.stderr
    for name, each in stored().items():
        if name != "appid":
            assert each["Value"] not in said
            assert each["Value"][:20] not in said


def test_a_second_run_keeps_everything_and_asks_for_nothing(team, stored):
    team.secrets("dev", stdin=f"{APPID}\n{APP_SECRET}\n")
    before = stored()

    ran = team.secrets("dev")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("kept") == len(MADE)
    assert {name: each["Version"] for name, each in stored().items()} == dict.fromkeys(before, 1)


def test_a_run_that_broke_off_is_gone_on_with(team, stored, aws):
    team.secrets("dev", stdin=f"{APPID}\n{APP_SECRET}\n")
    kid = json.loads(stored()["signing-keys"]["Value"])["keys"][0]["kid"]
    aws("ssm").delete_parameters(
        Names=["/wechat-login/dev/public-keys", "/wechat-login/dev/sealing-key"]
    )

    ran = team.secrets("dev")

    assert ran.returncode == 0, ran.stderr
    assert json.loads(stored()["public-keys"]["Value"])["keys"][0]["kid"] == kid
    assert stored().keys() == MADE


def test_private_keys_that_are_gone_are_for_a_person_to_decide_about(team, aws):
    team.secrets("dev", stdin=f"{APPID}\n{APP_SECRET}\n")
    aws("ssm").delete_parameter(Name="/wechat-login/dev/signing-keys")

    ran = team.secrets("dev")

    assert ran.returncode == 1
    assert "public-keys is there" in ran.stderr


UNREADABLE = ["nonsense", "[]", "{}", '{"keys": [1]}']


@pytest.mark.parametrize("garbage", UNREADABLE)
def test_signing_keys_that_cannot_be_read_are_left_to_a_person(team, stored, aws, garbage):
    aws("ssm").put_parameter(
        Name="/wechat-login/dev/signing-keys", Value=garbage, Type="SecureString"
    )

    ran = team.secrets("dev", stdin=f"{APPID}\n{APP_SECRET}\n")

    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert "/wechat-login/dev/signing-keys cannot be read: restore it" in line
    assert "public-keys" not in stored()


@pytest.mark.parametrize("garbage", UNREADABLE)
def test_a_sealing_key_that_cannot_be_read_is_not_rotated(team, stored, aws, garbage):
    aws("ssm").put_parameter(
        Name="/wechat-login/dev/sealing-key", Value=garbage, Type="SecureString"
    )

    ran = team.secrets("dev", "--rotate", "sealing-key")

    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert "/wechat-login/dev/sealing-key cannot be read: restore it" in line
    assert stored()["sealing-key"]["Value"] == garbage


def test_signing_keys_that_were_deleted_are_replaced_by_one_that_signs_at_once(team, stored, aws):
    team.secrets("dev", stdin=f"{APPID}\n{APP_SECRET}\n")
    leaked = stored()["signing-keys"]["Value"]
    aws("ssm").delete_parameters(
        Names=["/wechat-login/dev/signing-keys", "/wechat-login/dev/public-keys"]
    )

    ran = team.secrets("dev")

    assert ran.returncode == 0, ran.stderr
    (former,), (key,) = (
        json.loads(each)["keys"] for each in (leaked, stored()["signing-keys"]["Value"])
    )
    assert key["kid"] != former["kid"]
    assert time.time() - DAY < key["activeFrom"] < time.time()


def test_two_stages_have_secrets_of_their_own(team, stored):
    for stage in ("dev", "prod"):
        assert team.secrets(stage, stdin=f"{APPID}\n{APP_SECRET}\n").returncode == 0

    own = [stored(stage)["signing-keys"]["Value"] for stage in ("dev", "prod")]
    assert own[0] != own[1]


def test_continuous_integration_gives_both_in_the_environment(team, stored):
    ran = team.secrets("dev", WECHAT_APPID=APPID, WECHAT_APP_SECRET=APP_SECRET)

    assert ran.returncode == 0, ran.stderr
    assert json.loads(stored()["app-secrets"]["Value"]) == {APPID: APP_SECRET}


@pytest.mark.parametrize(
    ("stdin", "named"),
    [
        pytest.param("gh_0123456789ab\n", "AppID", id="an official account's own name"),
        pytest.param(f"{APPID}\n{APP_SECRET}x\n", "AppSecret", id="a slip"),
        pytest.param(f"{APPID}\n\n", "AppSecret", id="nothing"),
    ],
)
def test_an_invalid_secret_is_rejected_and_not_repeated(team, stored, stdin, named):
    ran = team.secrets("dev", stdin=stdin)

    assert ran.returncode == 1
    assert f"that is no {named}" in ran.stderr
    assert APP_SECRET not in ran.stdout + ran.stderr
    assert "app-secrets" not in stored()


def test_a_terminal_does_not_show_the_app_secret(team, stored):
    answers = [("AppID: ", APPID), ("AppSecret (not shown): ", APP_SECRET)]
    code, shown = at_a_terminal([*COMMAND, "dev"], team.environment, answers)

    assert code == 0, shown
    assert json.loads(stored()["app-secrets"]["Value"]) == {APPID: APP_SECRET}
    assert APPID in shown
    assert APP_SECRET not in shown


@pytest.mark.parametrize("name", [each for each in secrets.ROTATIONS if each != "signing-keys"])
def test_a_rotation_changes_one_secret_and_explains_the_effect(team, stored, name):
    team.secrets("dev", stdin=f"{APPID}\n{APP_SECRET}\n")
    before = stored()

    ran = team.secrets("dev", "--rotate", name, stdin=f"{'a' * 32}\n")

    changed = {each for each in MADE if stored()[each]["Value"] != before[each]["Value"]}
    assert ran.returncode == 0, ran.stderr
    assert changed == {"app-secrets" if name == "app-secret" else name}
    assert secrets.ROTATIONS[name] in ran.stdout


def test_values_sealed_before_a_rotation_stay_readable(team, stored):
    team.secrets("dev", stdin=f"{APPID}\n{APP_SECRET}\n")
    former = Keyring.from_json(stored()["sealing-key"]["Value"])
    sealed = former.seal("a number", context="here")

    team.secrets("dev", "--rotate", "sealing-key")

    ring = Keyring.from_json(stored()["sealing-key"]["Value"])
    assert ring.open(sealed, context="here") == "a number"
    assert ring.current != former.current
    assert ring.blind_index("a number") == former.blind_index("a number")


def test_without_confirmation_nothing_changes(team, stored):
    team.secrets("dev", stdin=f"{APPID}\n{APP_SECRET}\n")
    before = stored()
    command = [*COMMAND, "dev", "--rotate", "sealing-key"]

    code, shown = at_a_terminal(command, team.environment, [("Type ", "no")])

    assert (code, "nothing was changed" in shown) == (1, True)
    assert stored()["sealing-key"]["Version"] == before["sealing-key"]["Version"]


def test_a_missing_secret_cannot_be_rotated(team):
    ran = team.secrets("dev", "--rotate", "sealing-key")

    assert ran.returncode == 1
    assert "is not there yet" in ran.stderr


MORE = "wxfedcba0987654321"


def test_a_mini_program_is_added_kept_given_another_app_secret_and_removed(team, stored):
    def app_secrets():
        return json.loads(stored()["app-secrets"]["Value"])

    team.secrets("dev", stdin=f"{APPID}\n{APP_SECRET}\n")

    added = team.secrets("dev", "--appid", MORE, stdin=f"{'a' * 32}\n")
    assert app_secrets() == {APPID: APP_SECRET, MORE: "a" * 32}
    kept = team.secrets("dev", "--appid", MORE)
    rotated = team.secrets("dev", "--appid", MORE, "--rotate", "app-secret", stdin=f"{'b' * 32}\n")
    assert app_secrets() == {APPID: APP_SECRET, MORE: "b" * 32}
    removed = team.secrets("dev", "--appid", MORE, "--remove")
    assert app_secrets() == {APPID: APP_SECRET}

    ran = [added, kept, rotated, removed]
    assert [each.returncode for each in ran] == [0] * 4, [each.stderr for each in ran]
    assert "five minutes" in added.stdout
    assert f"kept  {MORE}" in kept.stdout
    assert "users and their sessions stay" in removed.stdout
    assert not any("a" * 32 in each.stdout + each.stderr for each in ran)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--appid", "gh_0123456789ab"], "that is no AppID", id="no AppID"),
        pytest.param(["--appid", MORE, "--remove"], "is not there", id="removed before"),
        pytest.param(["--appid", APPID, "--remove"], "has to stay", id="the first"),
        pytest.param(
            ["--appid", MORE, "--rotate", "app-secret"], "is not there yet", id="not added yet"
        ),
    ],
)
def test_a_mini_program_that_cannot_be_changed_is_named(team, stored, arguments, said):
    team.secrets("dev", stdin=f"{APPID}\n{APP_SECRET}\n")

    ran = team.secrets("dev", *arguments, stdin=f"{'a' * 32}\n")

    assert ran.returncode == 1
    assert said in ran.stderr
    assert stored()["app-secrets"]["Version"] == 1


def test_what_earlier_versions_stored_is_carried_over_and_nothing_is_asked(team, aws):
    ssm, folder = aws("ssm"), "/wechat-login/dev"
    former = {"appid": APPID, "app-secret": APP_SECRET, "access-token": '{"token": "t"}'}
    for name, value in former.items():
        ssm.put_parameter(Name=f"{folder}/{name}", Value=value, Type="SecureString")

    ran = team.secrets("dev")

    answer = ssm.get_parameters_by_path(Path=folder, WithDecryption=True, Recursive=True)
    found = {each["Name"].removeprefix(f"{folder}/"): each for each in answer["Parameters"]}
    assert ran.returncode == 0, ran.stderr
    assert json.loads(found["app-secrets"]["Value"]) == {APPID: APP_SECRET}
    assert found[f"access-token/{APPID}"]["Value"] == former["access-token"]
    assert {name: found[name]["Value"] for name in former} == former
    assert APP_SECRET not in ran.stdout + ran.stderr


@pytest.fixture
def local_run(team, ministack, tmp_path):
    """A `make run` as it tells other programs of itself: `local_run(…)` runs the command for it."""
    where = {"region": REGION, "aws": ministack.url, "accessKey": "local"}
    running = {**where, "parameters": {"Stage": "local"}}
    (tmp_path / "running.json").write_text(json.dumps(running))
    return lambda *arguments, **how: team.secrets(
        "local", *arguments, LOCAL_DIR=str(tmp_path), **how
    )


def test_a_local_run_is_not_to_be_deployed(local_run):
    ran = local_run(stdin=f"{APPID}\n{APP_SECRET}\n")

    assert ran.returncode == 0, ran.stderr
    assert "make deploy" not in ran.stdout
    assert "WeChat's console" not in ran.stdout
    assert "Nothing has to be deployed" in ran.stdout
    assert "five minutes" in ran.stdout


def test_a_local_run_rotates_its_signing_keys_itself(local_run):
    local_run(stdin=f"{APPID}\n{APP_SECRET}\n")

    ran = local_run("--rotate", "signing-keys")

    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].endswith("itself, at its start and daily")


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        pytest.param("nix", "samconfig.toml has no environment nix", id="unknown"),
        pytest.param("", "choose a stage", id="none"),
    ],
)
def test_a_stage_has_to_be_one_of_samconfigs(team, stage, said):
    ran = team.secrets(stage)

    assert ran.returncode == 1
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_an_unreachable_aws_is_reported_in_one_line(team):
    ran = team.secrets("dev", AWS_ENDPOINT_URL="http://127.0.0.1:9")

    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 1
