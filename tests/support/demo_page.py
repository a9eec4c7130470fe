"""Drives the demo like a person: taps on the phone, uses the controls, reads the panels."""

import base64
import time
from contextlib import contextmanager

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE = 30
# The element is missing, moving, or has just been replaced.
NOT_YET = (IndexError, WebDriverException)
# For each choice of a fault the page orders the end of others, and the fault, on two paths.
ORDERS = 4
# WCAG 2.2, 1.4.3: https://www.w3.org/TR/WCAG22/#contrast-minimum
ENOUGH_CONTRAST = 4.5

HIDDEN_PIXELS = """
const { scrollWidth, clientWidth } = document.documentElement
return scrollWidth - clientWidth
"""

CONTRASTS = """
const channels = (colour) => colour.match(/[\\d.]+/g).map(Number)
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
const over = ([r, g, b, alpha = 1], ground) =>
  [r, g, b].map((c, i) => c * alpha + ground[i] * (1 - alpha))
const groundOf = (element) => element
  ? over(channels(getComputedStyle(element).backgroundColor), groundOf(element.parentElement))
  : [255, 255, 255]
const found = []
for (const element of document.querySelectorAll(arguments[0])) {
  const ownText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
  if (!ownText || !element.checkVisibility()) continue
  const ground = groundOf(element)
  const [a, b] = [over(channels(getComputedStyle(element).color), ground), ground]
    .map(luminance).sort((one, other) => other - one)
  found.push([(a + 0.05) / (b + 0.05), element.textContent.trim().slice(0, 40)])
}
return found
"""


class Demo:
    """The demo's page; each action waits until it is possible."""

    def __init__(self, browser, url, screenshots, wechat):
        self.browser = browser
        self.url = url
        self._wechat = wechat
        self._screenshots = screenshots

    def open(self, language="zh-CN", width=1440, height=900, theme="light"):
        """Open the demo in a browser of this language, size and theme."""
        self.speaks(language, width, height, theme)
        self._orders(lambda: self.browser.get(self.url))
        self.waits_for(lambda: self.steps() or None)
        return self

    def speaks(self, language="zh-CN", width=1440, height=900, theme="light"):
        """Give the browser this language, size and theme, for every page from now on."""
        self.resizes(width, height)
        # Without motion: a sheet that is still rising cannot be tapped for certain.
        wishes = {"prefers-color-scheme": theme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self._devtools("Emulation.setEmulatedMedia", features=features)
        agent = self.browser.execute_script("return navigator.userAgent")
        self._devtools("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)

    def resizes(self, width, height):
        """Give the screen this size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", **metrics)

    # The phone.

    @contextmanager
    def screen(self):
        self.browser.switch_to.frame("screen")
        try:
            yield
        finally:
            self.browser.switch_to.default_content()

    def tap(self, label):
        """Tap the button of this label, or beginning; the uppermost if there are several."""
        path = f"//*[self::button or @role='button'][starts-with(normalize-space(), '{label}')]"
        with self.screen():
            self.waits_for(lambda: self.browser.find_elements(By.XPATH, path)[-1].click() or True)

    def sees(self, text):
        """Wait until the phone shows this text."""
        with self.screen():
            self.waits_for(lambda: text in self._text("body"), text)

    def shows(self, text):
        """Return whether the phone shows this text now."""
        with self.screen():
            return text in self._text("body")

    def types(self, selector, text):
        with self.screen():
            self.waits_for(
                lambda: self.browser.find_element(By.CSS_SELECTOR, selector).send_keys(text) or True
            )

    def registers(self):
        """Register the phone's present user, from the home page to the member card."""
        self.tap("登录 / 注册")
        self.tap("同意并使用手机号登录")
        self.tap("允许")
        self.sees("手机号已验证")
        # Reported beside the page, and perhaps later.
        self.waits_for_step("getuserphonenumber", "0")

    # Around the phone.

    def downloads_to(self, folder):
        self._devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def click(self, selector):
        self.waits_for(lambda: self.browser.find_element(By.CSS_SELECTOR, selector).click() or True)

    def hand_to(self, user):
        self.click(f"[value={user}]")

    def opens(self, appid):
        """Open a mini program on the phone."""
        self._orders(lambda: self.click(f"[value={appid}]"))

    def set_fault(self, name):
        self._orders(lambda: self.click(f"[name=fault][value={name}]"))

    def text(self, selector):
        return self._text(selector)

    def waits_for_text(self, selector, text):
        self.waits_for(lambda: text in self._text(selector), text)

    def complaints(self):
        """Return the warnings and errors in the console since the last call."""
        written = self.browser.get_log("browser")
        # An answer of 401 or 502 is the network's entry, and often what a test wants.
        return [each["message"] for each in written if each["source"] != "network"]

    def steps(self):
        """Return the sequence diagram as pairs: ("POST /login", "200"), ("jscode2session", "0")."""
        rows = self.browser.execute_script(
            "return [...document.querySelectorAll('#steps summary')]"
            ".map((row) => [...row.children].map((part) => part.textContent))"
        )
        return [
            (what, outcome.split(" · ")[0].removeprefix("errcode ")) for what, _, outcome in rows
        ]

    def waits_for_step(self, *step):
        self.waits_for(lambda: step in self.steps(), step)

    def kinds(self):
        """Return the kinds of the table's items."""
        return self.browser.execute_script(
            "return [...document.querySelectorAll('.kind')].map((kind) => kind.textContent)"
        )

    def press(self, *keys):
        """Press keys, wherever the focus is."""
        for key in keys:
            self.browser.switch_to.active_element.send_keys(getattr(Keys, key, key))

    def screenshot(self, name):
        """Keep a picture of the whole page, if there is a folder for it."""
        if self._screenshots is None:
            return
        # Toasts have gone, and the panels have received of everything.
        time.sleep(2)
        picture = self._devtools("Page.captureScreenshot", captureBeyondViewport=True)
        file = self._screenshots / f"{name}.png"
        file.write_bytes(base64.b64decode(picture["data"]))

    def waits_for(self, condition, what=None):
        wait = WebDriverWait(self.browser, PATIENCE, 0.05, NOT_YET)
        return wait.until(lambda _: condition(), what)

    def _orders(self, act):
        """Set WeChat's faults by an action, and wait until all are set."""
        before = self._wechat.orders
        act()
        self.waits_for(lambda: self._wechat.orders >= before + ORDERS, "faults")

    def _text(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector).text

    def _devtools(self, command, **parameters):
        return self.browser.execute_cdp_cmd(command, parameters)
