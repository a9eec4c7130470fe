"""The simulated WeChat of a test run: counts calls, and reports each secret."""

import contextlib
import json
import secrets

from simulated_wechat import SimulatedWeChat
from simulated_wechat.wechat import BUILT_IN
from tests.support.secrecy import DISTINCTIVE


class ObservedWeChat(SimulatedWeChat):
    """The simulated WeChat, which returns its calls and records each secret."""

    def __init__(self, secrecy):
        self._secrecy = secrecy
        fresh = {appid: secrets.token_hex(16) for appid in BUILT_IN}
        (appid, app_secret), *further = fresh.items()
        super().__init__(appid, app_secret, further=dict(further))

    def reset(self):
        super().reset()
        self.orders = 0  # faults, and ends of faults
        self.token_requests = []  # the force_refresh of each stable_token call

    def rotate_app_secret(self, new, appid=None):
        self._secrecy.keep("AppSecret", new)
        super().rotate_app_secret(new, appid)

    def add_mini_program(self, appid, app_secret):
        self._secrecy.keep("AppSecret", app_secret)
        super().add_mini_program(appid, app_secret)

    def person(self, user, appid=None):
        person = super().person(user, appid)
        forms = (person.phone.e164, person.phone.e164[1:], person.phone.national)
        self._secrecy.keep("phone number", *(form for form in forms if len(form) >= DISTINCTIVE))
        self._secrecy.keep_out_of_the_log("openid", person.openid)
        return person

    def login_code(self, user, appid=None):
        code = super().login_code(user, appid)
        self._secrecy.keep("login code", code)
        return code

    def phone_code(self, user, appid=None, *, allow=True):
        grant = super().phone_code(user, appid, allow=allow)
        if "code" in grant:
            self._secrecy.keep("phone code", grant["code"])
            self._secrecy.keep("encryptedData", grant["encryptedData"])
        return grant

    def realtime_phone_code(self, user, appid=None, *, allow=True):
        grant = super().realtime_phone_code(user, appid, allow=allow)
        if "code" in grant:
            self._secrecy.keep("phone code", grant["code"])
        return grant

    def receive(self, request):
        answer = super().receive(request)
        with contextlib.suppress(ValueError):
            given = json.loads(answer.body)
            for kind in ("session_key", "access_token"):
                if kind in given:
                    self._secrecy.keep(kind, given[kind])
        if request.path == "/cgi-bin/stable_token":
            self.token_requests.append(json.loads(request.body).get("force_refresh"))
        return answer

    def fault(self, *how, **more):
        super().fault(*how, **more)
        self.orders += 1

    def asked(self, path, appid=None):
        """Return the number of calls of a path."""
        return self.calls(appid)["paths"][path]["count"]
