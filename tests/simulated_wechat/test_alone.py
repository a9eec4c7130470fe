"""`python -m simulated_wechat` serves any SDK, and needs nothing but pycryptodome."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import Crypto
import pytest
import requests

from local.http_server import free_port
from simulated_wechat import SimulatedWeChat
from stack.template import ROOT
from tests.support.asking import login_query

README = ROOT / "simulated_wechat" / "README.md"
LOGIN = "/sns/jscode2session"
SECOND = {"appid": "wxfedcba0987654321", "secret": "fedcba9876543210fedcba9876543210"}

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


class Alone:
    """The command, started in an environment that has the standard library and pycryptodome."""

    def __init__(self, site: Path, *arguments: str) -> None:
        (site / "Crypto").symlink_to(Path(Crypto.__file__).parent)
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rpartition(":")[2]
        self.process = subprocess.Popen(
            # -S: without site-packages.
            [sys.executable, "-S", "-m", "simulated_wechat", "--port", port, *arguments],
            cwd=ROOT,
            env={"PYTHONPATH": str(site), "PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.banner = ""
        while "GET " not in self.banner:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            self.banner += line

    def control(self, route: str, **body: str) -> dict:
        answer = requests.post(f"{self.url}/simulated/{route}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def login(self, code: str, **app: str) -> dict:
        query = {**login_query(SimulatedWeChat(), code), **app}
        return requests.get(self.url + LOGIN, query, timeout=10).json()

    def end(self, how: int = signal.SIGINT) -> tuple[str, str]:
        self.process.send_signal(how)
        return self.process.communicate(timeout=20)


@pytest.fixture
def alone(tmp_path):
    started = []

    def start(*arguments: str) -> Alone:
        started.append(Alone(tmp_path, *arguments))
        return started[0]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


def test_it_serves_both_mini_programs(alone):
    wechat = alone()

    here = wechat.login(wechat.control("wx.login", user="alice")["code"])
    there = wechat.control("wx.login", user="alice", appid=SECOND["appid"])["code"]
    there = wechat.login(there, **SECOND)

    assert here["openid"] == SimulatedWeChat().openid("alice")
    assert there["unionid"] == here["unionid"]
    for secret in SECOND.values():
        assert secret in wechat.banner


def test_the_command_of_its_banner_gets_a_code(alone):
    wechat = alone()
    command = re.search(r"^  (curl .+)$", wechat.banner, re.MULTILINE)[1]

    said = subprocess.run(  # noqa: S602 - what the banner says to paste
        f"{command} --silent", shell=True, capture_output=True, check=True, text=True
    )

    assert json.loads(said.stdout)["errMsg"] == "login:ok"


def test_a_mini_program_of_ones_own_is_the_first(alone):
    wechat = alone("--appid", "wx0000000000000009", "--app-secret", "own", "--appid", "wxmore1")
    code = wechat.control("wx.login", user="alice")["code"]

    assert "openid" in wechat.login(code, appid="wx0000000000000009", secret="own")
    more = wechat.control("wx.login", user="alice", appid="wxmore1")["code"]
    assert "openid" in wechat.login(more, appid="wxmore1")
    listed = requests.get(f"{wechat.url}/simulated/mini-programs", timeout=10).json()
    assert listed["miniPrograms"] == [
        "wx0000000000000009",
        "wxmore1",
        "wx1234567890abcdef",
        "wxfedcba0987654321",
    ]


@posix_only
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_and_reports_that(alone, how):
    wechat = alone()
    requests.get(f"{wechat.url}/simulated", timeout=10)

    out, err = wechat.end(how)

    assert (wechat.process.returncode, out.strip(), err) == (0, "Stopped.", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--app-secret", "x"], "belongs to an --appid", id="a secret of nobody's"),
        pytest.param(["--push-to", "http://127.0.0.1:1"], "belong together", id="half a push"),
        pytest.param(["--port", "99999"], "a port is a number up to 65535", id="no port"),
    ],
)
def test_a_wrong_command_is_reported(arguments, said):
    ended = subprocess.run(
        [sys.executable, "-m", "simulated_wechat", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode != 0
    assert ended.stdout == ""
    assert said in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("language", ["README.md", "README.zh-CN.md"])
def test_wechatpy_works_by_the_lines_of_the_readme(alone, language):
    wechat = alone()
    text = README.with_name(language).read_text("utf-8")
    set_up = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    login, number = re.findall(r"`(client\.[^`]+)`", text.replace("\n", " "))
    code = wechat.control("wx.login", user="alice")["code"]
    phone_code = wechat.control("getPhoneNumber", user="alice")["code"]
    script = f"""\
import json
{set_up.replace("http://127.0.0.1:3001", wechat.url)}
code = {code!r}
session = {login}
code = {phone_code!r}
phone = {number}
try:
    {number}
except Exception as refused:
    used = refused.errcode
print(json.dumps([session, phone, used]))
"""

    # By itself: it warns of what this Python no longer likes.
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert said.returncode == 0, said.stderr
    session, phone, used = json.loads(said.stdout)
    alice = SimulatedWeChat().person("alice")
    assert (session["openid"], session["unionid"]) == (alice.openid, alice.unionid)
    assert phone["phone_info"]["purePhoneNumber"] == alice.phone.national
    assert used == 40029
