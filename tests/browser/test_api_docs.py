"""The page at /docs shows the whole API, and its "Try it out" reaches the API that served it."""

import pytest
import requests
from selenium.webdriver.common.by import By

from tests.support.written import operations

ROUTES = """
return [...document.querySelectorAll('.opblock-summary')].map((row) => [
  row.querySelector('.opblock-summary-method').textContent,
  row.querySelector('.opblock-summary-path').dataset.path,
].join(' '))
"""
# In the page itself: with each route that is open, a click from outside takes longer.
OPEN_ALL = "document.querySelectorAll('.opblock-summary-control').forEach((row) => row.click())"
OPENED = """
return [...document.querySelectorAll('.responses-table')].map((table) => table.textContent)
"""


@pytest.fixture
def docs(demo):
    demo.browser.get(f"{demo.url}/docs")
    demo.waits_for(lambda: demo.browser.execute_script(ROUTES))
    return demo


@pytest.mark.parametrize(("language", "said"), [("zh-CN", "已登录"), ("en-GB", "Logged in.")])
def test_the_texts_are_in_the_language_of_the_browser(demo, language, said):
    demo.speaks(language, width=390)
    demo.browser.get(f"{demo.url}/docs")
    demo.click("#operations-login-login .opblock-summary-control")
    demo.waits_for_text("#operations-login-login .responses-table", said)
    hidden = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert demo.browser.execute_script(hidden) == 0


def test_the_page_shows_every_route_and_every_route_opens(docs):
    shown = docs.browser.execute_script(ROUTES)
    assert sorted(shown) == sorted(operations())
    docs.browser.execute_script(OPEN_ALL)
    docs.waits_for(lambda: len(docs.browser.execute_script(OPENED)) == len(shown))
    for responses in docs.browser.execute_script(OPENED):
        assert "200" in responses
    assert not docs.browser.find_elements(By.CSS_SELECTOR, ".errors-wrapper")
    assert docs.complaints() == []


def test_try_it_out_reaches_the_api_on_its_own_port(docs, wechat):
    assert ":3000" not in docs.url
    assert docs.text(".servers option").startswith(docs.url)
    docs.click("#operations-login-login .opblock-summary-control")
    docs.click("#operations-login-login .try-out__btn")
    body = docs.waits_for(
        lambda: docs.browser.find_element(By.CSS_SELECTOR, "textarea.body-param__text")
    )
    body.clear()
    body.send_keys(f'{{"code": "{wechat.login_code("alice")}"}}')
    docs.click("#operations-login-login .execute")
    docs.waits_for_text(".live-responses-table .response .response-col_status", "200")
    docs.waits_for_text(".live-responses-table", wechat.openid("alice"))
    assert f"{docs.url}/login" in docs.text(".request-url")


def test_a_session_from_login_opens_the_account(docs, wechat):
    answer = requests.post(
        f"{docs.url}/login", json={"code": wechat.login_code("alice")}, timeout=10
    )
    docs.click(".auth-wrapper .authorize")
    field = docs.waits_for(
        lambda: docs.browser.find_element(By.CSS_SELECTOR, ".auth-container input")
    )
    field.send_keys(answer.json()["data"]["session"])
    docs.click(".auth-container .authorize")
    docs.click(".auth-container .btn-done")
    docs.click("[id$='-show_account'] .opblock-summary-control")
    docs.click("[id$='-show_account'] .try-out__btn")
    docs.click("[id$='-show_account'] .execute")
    docs.waits_for_text(".live-responses-table .response .response-col_status", "200")
