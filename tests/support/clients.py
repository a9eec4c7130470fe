"""Makes AWS clients cheap: each deployment of a run would make the same clients again."""

import functools
import os
import threading

from botocore import hooks
from botocore.hooks import EventAliaser
from botocore.loaders import JSONFileLoader, Loader, create_loader
from botocore.session import Session

# What botocore reads of the environment when it makes a client.
READ = ("AWS_", "NO_PROXY", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


def share(patch):
    """Make a client once for all sessions with the same environment, if it calls an emulator.

    A client of botocore has no state of a deployment. moto replaces clients that call AWS itself.
    """
    _read_models_once(patch)
    made, lock, make = {}, threading.RLock(), Session.create_client

    def create_client(self, service_name, *given, **named):
        endpoint = named.get("endpoint_url") or os.environ.get("AWS_ENDPOINT_URL")
        if given or endpoint is None:
            return make(self, service_name, *given, **named)
        config = named.pop("config", None)
        options = vars(config)["_user_provided_options"] if config else None
        read = sorted(each for each in os.environ.items() if each[0].startswith(READ))
        key = repr((service_name, sorted(named.items()), options, read))
        with lock:
            if key not in made:
                made[key] = make(self, service_name, config=config, **named)
            return made[key]

    patch.setattr(Session, "create_client", create_client)


def _read_models_once(patch):
    # Each session would parse megabytes of JSON, and look up the same hundreds of event names and
    # signatures.
    files, alias = JSONFileLoader(), vars(EventAliaser)["_alias_event_name"]
    aliases = functools.cache(functools.partial(alias, EventAliaser(None)))
    patch.setattr(EventAliaser, "_alias_event_name", lambda _, name: aliases(name))
    patch.setattr(files, "load_file", functools.cache(files.load_file))
    patch.setattr(Loader, "FILE_LOADER_CLASS", staticmethod(lambda: files))
    patch.setattr("botocore.session.create_loader", functools.cache(create_loader))
    patch.setattr(hooks, "accepts_kwargs", functools.lru_cache(4096)(hooks.accepts_kwargs))
