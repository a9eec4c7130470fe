"""Our login with one of its gains undone, which the variable UNDONE names."""

import gc
import os
from types import SimpleNamespace

from botocore.session import get_session
from wechat_login import wiring

match os.environ["UNDONE"]:
    case "garbage collection":
        gc.disable = gc.freeze = lambda: None
    case "one TLS context":
        import requests
        from wechat_login import wechat

        wechat._Adapter = requests.adapters.HTTPAdapter  # noqa: SLF001 - what is measured lies inside
    case "two services":
        wiring._aws = get_session  # noqa: SLF001 - what is measured lies inside
    case "short calls":
        from botocore.config import Config

        wiring._config = lambda _: Config()  # noqa: SLF001 - what is measured lies inside
    case "no boto3":
        import boto3

        session = boto3.Session(botocore_session=wiring._aws())  # noqa: SLF001 - what is measured lies inside
        wiring._aws = lambda: SimpleNamespace(create_client=session.client)  # noqa: SLF001 - what is measured lies inside

from login import handler  # noqa: F401 - not before the gain is undone.
