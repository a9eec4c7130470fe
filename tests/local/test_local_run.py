"""`python -m local` starts quickly, stops completely and loses nothing."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from local.backend import backend
from local.emulator import installed
from local.http_server import free_port
from local.invoke import fresh
from simulated_wechat import SimulatedWeChat, serve
from stack.template import ROOT

CLIENT_GUIDE = ROOT / "docs" / "client.md"
EXAMPLE = ROOT / "examples" / "mini-program" / "README.md"
REAL_WECHAT = "https://api.weixin.qq.com"
# How soon a changed AppSecret is in use.
TEN_SECONDS_AND_SOME = 30
EVENTS = sorted((ROOT / "events").glob("*.json"))
LAST_LINE = (ROOT / "local" / "session.sh").read_text("utf-8").splitlines()[-1]

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and a POSIX shell")


@pytest.fixture(scope="module", autouse=True)
def _emulator_is_installed():
    # It reports that on stderr, once, and takes its time.
    installed()


class Run:
    """One `python -m local`, started and ready."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.ports = free_port(), free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", *arguments],
            cwd=ROOT,
            env=environment(folder, *self.ports),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.banner = ""
        while not self.banner.endswith(f"\n{LAST_LINE}\n"):
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            self.banner += line
        self.api, self.wechat = (f"http://127.0.0.1:{port}" for port in self.ports)
        self.children = children_of(self.process.pid)

    def end(self, how: int = signal.SIGINT) -> tuple[str, str]:
        self.process.send_signal(how)
        return self.process.communicate(timeout=20)

    def login(self, user: str) -> dict:
        code = self.post(f"{self.wechat}/simulated/wx.login", {"user": user})["code"]
        return self.post(f"{self.api}/login", {"code": code})["data"]

    def register(self, user: str) -> str:
        login = self.login(user)
        code = self.post(f"{self.wechat}/simulated/getPhoneNumber", {"user": user})["code"]
        body = {"openid": login["openid"], "code": code}
        return self.post(f"{self.api}/phone", body, login["session"])["data"]

    def post(self, url: str, body: dict, session: str = "") -> dict:
        headers = {"Authorization": f"Bearer {session}"} if session else {}
        answer = requests.post(url, json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        return answer.json()


def environment(folder: Path, port: int, wechat_port: int) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PARAMETERS"}
    own = {"LOCAL_DIR": str(folder), "PORT": str(port), "WECHAT_PORT": str(wechat_port)}
    return {**inherited, **own, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, check=True)
    pairs = (map(int, line.split()) for line in listed.stdout.splitlines())
    return [child for child, parent in pairs if parent == pid]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ends_soon(pid: int) -> bool:
    give_up_at = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return not is_running(pid)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    if run.process.poll() is None:
        run.end()


def failed(folder: Path, *arguments: str, ports: tuple[int, int] | None = None) -> str:
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(folder, *(ports or (free_port(), free_port()))),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


@dataclass(frozen=True)
class Ended:
    """A run from its start to Ctrl-C, and what it has shown and left."""

    folder: Path
    run: Run
    pasted: subprocess.CompletedProcess
    alice: dict
    out: str
    err: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Ended:
    """A run in which somebody pastes the banner's session, logs in and asks for a wrong path."""
    folder = tmp_path_factory.mktemp("run")
    run = Run(folder)
    session = run.banner[run.banner.index("API=") :]
    pasted = subprocess.run(["bash"], input=session, capture_output=True, text=True, check=True)
    alice = run.login("alice")
    requests.get(f"{run.api}/nix?code=secret", timeout=20)
    out, err = run.end()
    return Ended(folder, run, pasted, alice, out, err)


@posix_only
def test_the_session_of_the_banner_can_be_pasted_into_a_shell(ended):
    answers = [json.loads(line) for line in ended.pasted.stdout.splitlines() if line]
    assert all(answer["success"] for answer in answers)
    login, no_token, registered, token, second_login = (answer["data"] for answer in answers)
    assert (login["registered"], login["token"], no_token) == (False, None, None)
    assert registered.count(".") == token.count(".") == 2
    assert second_login["registered"]
    assert second_login["token"]
    assert ended.pasted.stderr == ""


@posix_only
def test_the_terminal_gets_a_line_a_request_and_the_log_what_functions_print(ended):
    session = ended.alice["session"]

    # Each request's thread prints its line after the answer.
    lines = [line.split()[1:4] for line in ended.out.strip().splitlines()]
    assert ["GET", "'/nix'", "404"] in lines
    assert lines.count(["POST", "'/login'", "200"]) == 3
    log = (ended.folder / "api.log").read_text("utf-8")
    assert "POST /login" in log
    assert "secret" not in ended.out
    assert session not in ended.out + log


@posix_only
def test_ctrl_c_leaves_nothing_running_and_reports_that(ended):
    left_nothing(ended.run, ended.out, ended.err)


@posix_only
def test_a_signal_to_end_leaves_nothing_running_and_reports_that(run):
    left_nothing(run, *run.end(signal.SIGTERM))


def left_nothing(run, out, err):
    assert (run.process.returncode, err) == (0, "")
    assert out.strip().splitlines()[-1] == "Stopped. Nothing is left running."
    assert run.children
    assert not any(is_running(child) for child in run.children)
    assert all(is_free(port) for port in run.ports)


@posix_only
def test_later_starts_find_the_users_and_the_keys_of_the_first_even_if_killed(ended, tmp_path):
    shutil.copytree(ended.folder / "state", tmp_path / "state")
    second = Run(tmp_path)
    after = second.login("alice")
    openid, session = ended.alice["openid"], ended.alice["session"]
    token = second.post(f"{second.api}/token", {"openid": openid}, session)
    second.register("bob")
    second.end(signal.SIGKILL)

    # At once: the emulator of the killed run may still be saving.
    third = Run(tmp_path)
    bob = third.login("bob")
    third.end()

    assert after["registered"]
    assert token["data"].split(".")[0] == ended.alice["token"].split(".")[0]
    assert bob["registered"]
    assert second.children
    assert all(ends_soon(child) for child in second.children)


@posix_only
def test_a_dead_emulator_ends_the_run_in_one_line(run):
    os.kill(run.children[0], signal.SIGKILL)

    _, err = run.process.communicate(timeout=20)

    assert run.process.returncode == 1
    assert err.splitlines()[-1] == "python -m local: ministack has ended by itself"


def test_the_log_of_a_run_is_not_emptied_by_another_that_cannot_start(run, tmp_path):
    run.login("alice")

    said = failed(tmp_path, "-m", "local")

    assert "another local run is using" in said
    assert "POST /login" in (tmp_path / "api.log").read_text("utf-8")


@pytest.mark.parametrize("setting", ["PORT", "WECHAT_PORT"])
def test_a_port_in_use_is_reported_in_one_line(tmp_path, setting):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken, free = other.getsockname()[1], free_port()
        ports = (taken, free) if setting == "PORT" else (free, taken)

        said = failed(tmp_path, "-m", "local", ports=ports)

    assert f"port {taken}: Address already in use; choose another with {setting}=…" in said


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        pytest.param("PhoneConflict=maybe", "must be one of transfer, link, reject", id="value"),
        pytest.param("Nix=1", "there is no parameter Nix", id="name"),
        pytest.param("PhoneConflict", "PhoneConflict is not of the form Name=value", id="no value"),
        pytest.param("A='b", "cannot be read", id="quotes"),
    ],
)
def test_a_bad_parameter_is_reported_in_one_line(tmp_path, parameters, said):
    assert said in failed(tmp_path, "-m", "local", "--parameters", parameters)


def test_a_missing_dependency_is_reported_in_one_line(tmp_path):
    # -S: without site-packages, as if nothing had been installed.
    assert "is not installed in" in failed(tmp_path, "-S", "-m", "local")


def test_with_an_appid_of_ones_own_it_asks_the_real_wechat(tmp_path):
    # The two commands of the client guide; another simulated WeChat stands for the real one.
    started, rotated = commands_of(CLIENT_GUIDE, "Log in at the real WeChat")
    parameters, name = re.search(r'PARAMETERS="(.+)"', started)[1], rotated.split("ROTATE=")[1]
    app_secret = secrets.token_hex(16)
    real = SimulatedWeChat(re.search(r"wx[0-9a-f]{16}", parameters)[0], app_secret)
    server = serve(real)
    run = Run(tmp_path, "--parameters", parameters.replace(REAL_WECHAT, server.url))

    def login() -> tuple[int, str | None]:
        code = {"code": real.login_code("alice")}
        answer = requests.post(f"{run.api}/login", json=code, timeout=20)
        return answer.status_code, answer.json().get("error", {}).get("code")

    assert login() == (500, "misconfigured")
    finished = subprocess.run(
        [sys.executable, "-m", "ops.secrets", "local", "--rotate", name],
        cwd=ROOT,
        env=environment(tmp_path, *run.ports),
        input=f"{app_secret}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    give_up_at = time.monotonic() + TEN_SECONDS_AND_SOME
    while login() != (200, None):
        assert time.monotonic() < give_up_at
        time.sleep(0.5)
    server.stop()
    assert login() == (502, "wechat_unavailable")

    out, err = run.end()
    shown = finished.stdout + finished.stderr + run.banner + out + err
    assert app_secret not in shown + (tmp_path / "api.log").read_text("utf-8")


def commands_of(document: Path, heading: str) -> list[str]:
    section = document.read_text("utf-8").split(f"## {heading}\n")[1].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)\n```", section, re.DOTALL)
    return [block.replace("\\\n", "") for block in blocks]


def test_the_example_names_the_same_two_commands():
    assert commands_of(EXAMPLE, "Run it") == commands_of(CLIENT_GUIDE, "Log in at the real WeChat")


def test_parameters_of_the_template_can_be_set(tmp_path):
    run = Run(tmp_path, "--parameters", "PhoneRequired=false Issuer=https://login.example.com")
    login = run.login("alice")
    run.end()

    assert not login["registered"]
    assert login["token"]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.stem)
def test_each_event_of_the_folder_is_answered(event, fresh_backend):
    answer = fresh_backend.api.invoke(
        event.stem.partition(".")[0], fresh(event.read_text("utf-8"), fresh_backend)
    )

    assert answer.get("statusCode", 200) == 200


@pytest.fixture(scope="module")
def fresh_backend():
    with backend({"Events": "true"}) as running:
        yield running


def test_one_function_is_invoked_from_the_command_line():
    ended = subprocess.run(
        [sys.executable, "-m", "local.invoke", "login", "events/login.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert json.loads(json.loads(ended.stdout)["body"])["success"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["nix", "events/login.json"], "there is no function nix", id="function"),
        pytest.param(["login", "events/nix.json"], "events/nix.json: No such file", id="file"),
        pytest.param(["login", "Makefile"], "is no JSON", id="not JSON"),
    ],
)
def test_an_impossible_invocation_is_reported_in_one_line(tmp_path, arguments, said):
    assert said in failed(tmp_path, "-m", "local.invoke", *arguments)
