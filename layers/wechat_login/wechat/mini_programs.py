"""The mini programs of a deployment: the first is a setting, SSM has the AppSecret of each.

`app-secrets` is a JSON object, AppID → AppSecret; to add a mini program takes no deployment.
"""

import json
import re
from collections.abc import Callable, Mapping

from wechat_login.errors import BadRequest, Misconfigured
from wechat_login.frozen import frozen

# WeChat's app sets this header, and a page cannot:
# https://developers.weixin.qq.com/miniprogram/dev/framework/ability/network
REFERER = re.compile(r"https://servicewechat\.com/(wx[0-9a-f]{16})/")


@frozen
class MiniPrograms:
    """Knows which AppIDs are ours, and the AppSecret of each.

    `secrets()` returns the text of `app-secrets`, `renewed()` as it is by now.
    """

    first: str
    secrets: Callable[[], str]
    renewed: Callable[[], str]

    def appids(self) -> list[str]:
        """Return every AppID, the first one first."""
        return sorted(_read(self.secrets()), key=lambda appid: (appid != self.first, appid))

    def choose(self, asked: str | None, referer: str) -> str:
        """Return the AppID that a request names, else that of its Referer, else the first.

        Raises `BadRequest` if the AppID is not ours.
        """
        found = REFERER.match(referer)
        appid = asked or (found[1] if found else self.first)
        if not self.has(appid):
            raise BadRequest("appid is not one of ours.")
        return appid

    def has(self, appid: str) -> bool:
        """Return whether an AppID is ours; one that was added just now is found too."""
        # The first one needs no look-up, and an error of its own if it has no AppSecret.
        return appid == self.first or any(
            appid in _read(read()) for read in (self.secrets, self.renewed)
        )

    def app_secret(self, appid: str) -> str:
        """Return an AppSecret. Raises `Misconfigured` if there is none."""
        return _of(_read(self.secrets()), appid)

    def renewed_app_secret(self, appid: str) -> str:
        """Return an AppSecret as SSM has it now. Raises `Misconfigured` if there is none."""
        return _of(_read(self.renewed()), appid)


def _of(secrets: Mapping[str, str], appid: str) -> str:
    if appid not in secrets:
        raise Misconfigured(why="no AppSecret", appid=appid)
    return secrets[appid]


def _read(text: str) -> Mapping[str, str]:
    try:
        secrets = json.loads(text)
    except ValueError:
        secrets = None
    # Raised here and not above: the other exception quotes the text.
    if not isinstance(secrets, dict):
        raise Misconfigured(why="app-secrets is no JSON object")
    return secrets
