"""Fixtures: one headless Chromium for the run, one backend with the demo for each test."""

import contextlib
import functools
import os
import shutil
from pathlib import Path

import pytest
import requests
from selenium import webdriver

from demo import PAGES
from local import api_docs
from local.deployment import deployed
from stack.template import read_stack
from tests.support.demo_page import Demo

ARGUMENTS = [
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "disable-dev-shm-usage",
    "hide-scrollbars",
]


@pytest.fixture(scope="session")
def browser():
    """Chromium, which `make browser` installs."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        missing = "Chromium is not installed: make browser"
        # In CI, a skipped test would count as passed.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    options = webdriver.ChromeOptions()
    for argument in ARGUMENTS:
        options.add_argument(f"--{argument}")
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Given, so that selenium does not search for a driver on the network.
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def screenshots():
    """The folder that the variable SCREENSHOTS names; without it there are no screenshots."""
    folder = os.environ.get("SCREENSHOTS")
    return Path(folder) if folder else None


@functools.cache
def _stack(**parameters):
    return read_stack(parameters)


@pytest.fixture
def demo_with(browser, ministack, _wechat_server, wechat, screenshots):
    """Make a demo on a backend where nobody has ever logged in: `demo_with(Events="true")`."""
    _, wechat_url = _wechat_server
    requests.post(f"{ministack.url}/_ministack/reset", timeout=60).raise_for_status()
    defaults = {
        "Stage": "demo",
        "WeChatAppId": wechat.appid,
        "WeChatUrl": wechat_url,
        # The issuer that `make run` has, for the pictures.
        "Issuer": "http://127.0.0.1:3000",
    }
    pages = {**PAGES, **api_docs.pages()}
    app_secrets = {app.appid: app.app_secret for app in wechat.mini_programs()}
    with contextlib.ExitStack() as running:

        def deploy(**parameters):
            stack = _stack(**defaults, **parameters)
            deployment = running.enter_context(
                deployed(stack, ministack.url, app_secrets, pages=pages)
            )
            if stack.parameters["Events"] == "true":
                deployment.start_schedules()  # and the stream
            # A port of its own is an origin of its own: the browser remembers nothing of other
            # tests. What other tests' pages have written into the console goes here.
            browser.get_log("browser")
            return Demo(browser, deployment.url, screenshots, wechat)

        yield deploy
        browser.get("about:blank")


@pytest.fixture
def demo(demo_with):
    """The demo, not yet opened, with the template's defaults."""
    return demo_with()
