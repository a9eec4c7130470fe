"""No secret leaks: tests.support.secrecy scans each run, and these tests check the scan."""

import logging
import os
import subprocess
import sys
import traceback

import pytest

from stack.template import ROOT
from tests.support.backend import ACCESS_TOKEN
from tests.support.secrecy import Secrecy
from wechat_login import wiring
from wechat_login.errors import CodeRejected

IMPORTS = """
import logging, os, sys, traceback
import pytest
"""
KEEP = """
def test_it(pytestconfig):
    secrecy = pytestconfig.pluginmanager.get_plugin("secrecy")
    secrecy.keep("session", "Zm9yZ290dGVuLXNlY3JldC1vZi1hbGljZQ")
"""
LEAK = """
def test_it_as_another(pytestconfig):
    secrecy = pytestconfig.pluginmanager.get_plugin("secrecy")
"""
SECRET = '"Zm9yZ290dGVuLXNlY3JldC1vZi1hbGljZQ"'


def run_tests(folder, test, *options):
    """Run a suite of these tests under the scan; return its process."""
    (folder / "test_it.py").write_text(IMPORTS + test)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.support.secrecy",
        *options,
        "-c",
        os.devnull,
        str(folder),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"print({SECRET})", id="printed"),
        pytest.param(f"print('prefix' + {SECRET} + 'suffix')", id="inside a word"),
        pytest.param(f"print({SECRET}[:12])", id="its beginning"),
        pytest.param(f"print({SECRET}, file=sys.stderr)", id="on stderr"),
        pytest.param(f"logging.getLogger('x').warning('%s', {SECRET})", id="logged"),
        pytest.param(
            f"logging.getLogger('x').error('x', exc_info=ValueError({SECRET}))", id="as exception"
        ),
        pytest.param(f"secrecy.overhear('an answer', {SECRET}, is_log=False)", id="answered"),
    ],
)
def test_a_planted_secret_fails_the_run_and_is_not_repeated(tmp_path, line):
    run = run_tests(tmp_path, f"{KEEP}    {line}\n")

    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 passed" in run.stdout
    assert "a session in " in run.stdout
    assert SECRET.strip('"') not in run.stdout


def test_without_a_leak_the_run_succeeds(tmp_path):
    run = run_tests(tmp_path, f"{KEEP}    print('Zm9yZ290dG')\n")

    assert run.returncode == pytest.ExitCode.OK
    assert "a session in" not in run.stdout


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"print({SECRET})", id="printed"),
        pytest.param(f"logging.getLogger('x').warning({SECRET})", id="logged"),
        pytest.param(f"secrecy.overhear('an answer', {SECRET}, is_log=False)", id="answered"),
    ],
)
def test_a_secret_of_one_worker_in_the_output_of_another_fails_the_run(tmp_path, line):
    apart = KEEP + LEAK + f"    {line}\n"
    run = run_tests(tmp_path, apart, "-p", "xdist", "-n2", "-v")

    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "2 passed" in run.stdout
    assert all(f"[{worker}] " in run.stdout for worker in ("gw0", "gw1"))
    assert "a session in " in run.stdout


def test_a_number_that_could_be_anything_is_no_secret():
    secrecy = Secrecy()

    with pytest.raises(ValueError, match="phone"):
        secrecy.keep("phone number", "138001")


def test_a_secret_is_found_in_an_address_too():
    secrecy = Secrecy()
    secrecy.keep("session_key", "ab+/cd==ef+/gh==")

    secrecy.overhear("a log", "GET /?key=ab%2B%2Fcd%3D%3Def%2B%2Fgh%3D%3D", is_log=True)

    assert secrecy.leaks() == ["a session_key in a log"]


def test_an_openid_may_be_answered_but_not_logged():
    secrecy = Secrecy()
    secrecy.keep_out_of_the_log("openid", "oI7xAlice0123456789012345678")

    secrecy.overhear("an answer", "oI7xAlice0123456789012345678", is_log=False)
    secrecy.overhear("a log", "oI7xAlice0123456789012345678", is_log=True)

    assert secrecy.leaks() == ["a openid in a log"]


def test_the_scan_captures_what_the_functions_log_and_answer(person, call, secrecy):
    alice = person("alice")
    alice.register()
    _, body = call("login", code="refused-code")

    captured = "\n".join(secrecy.captured)

    assert body["error"]["requestId"] in captured
    assert f"{alice.openid[:4]}…{alice.openid[-4:]}" in captured


def test_every_kind_of_secret_is_known_after_a_registration(person, secrecy, backend, wechat):
    wechat.rotate_app_secret("ea0fd0ad2cd4ad2ea8dbdd1b3f1fa5b6")
    backend.set_app_secret(wechat.app_secret)
    alice = person("alice")
    code, phone_code = alice.login_code(), alice.phone_code()
    alice.log_in(code)
    token = alice.register(phone_code)
    hidden = {
        "login code": code,
        "phone code": phone_code,
        "session": alice.session.rpartition(".")[2],
        "token": token.rpartition(".")[2],
        "AppSecret": wechat.app_secret,
        "session_key": wechat.person("alice").session_key.text,
        "phone number": alice.phone[3:],
        "access_token": backend.parameter(ACCESS_TOKEN).split('"')[3],
        "parameter": backend.parameter("sealing-key").split('"')[-2],
    }

    found = {}
    for kind, secret in hidden.items():
        probe = Secrecy()
        probe.__dict__.update(secrecy.__dict__, _captured=[("here", secret, True)])
        found[kind] = probe.leaks()

    assert found == {kind: [f"a {kind} in here"] for kind in hidden}


@pytest.mark.usefixtures("backend")
def test_a_failed_exchange_leaves_nothing_in_its_traceback(wechat):
    code = wechat.login_code("alice")
    wiring.wechat_client().jscode2session(code)

    with pytest.raises(CodeRejected) as refusal:
        wiring.wechat_client().jscode2session(code)

    text = "".join(traceback.format_exception(refusal.value))
    assert wechat.app_secret not in text
    assert code not in text
    assert refusal.value.__context__ is refusal.value.__cause__ is None


def test_at_debug_the_http_librarys_log_holds_no_address(person, caplog):
    caplog.set_level(logging.DEBUG, logger="urllib3")

    person("alice").register()

    assert not [record for record in caplog.records if "js_code" in record.getMessage()]
    assert not [record for record in caplog.records if "access_token=" in record.getMessage()]


def test_lambdas_debug_level_puts_no_secret_into_the_log(backend, wechat, caplog, monkeypatch):
    # As ApplicationLogLevel=DEBUG does: the root logger's level, before any client is made.
    monkeypatch.setattr(logging.getLogger("botocore"), "level", logging.NOTSET)
    wiring.reset()

    with caplog.at_level(logging.DEBUG):
        backend.person("alice").register()

    assert "request" in caplog.messages
    for secret in (wechat.app_secret, backend.parameter(ACCESS_TOKEN).split('"')[3]):
        assert secret not in caplog.text
