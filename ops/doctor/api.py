"""Checks the API over HTTP, as mini programs and verifiers of tokens use it."""

import email.utils
import json
import socket
import ssl
import time
from collections.abc import Iterator

import requests

from ops.doctor.deployment import Deployment
from ops.doctor.finding import FAIL, NOTE, OK, Finding, either
from ops.doctor.storage import RESTORE_KEYS

PATIENCE = 15.0  # seconds
DAY = 86_400
# WeChat and API Gateway reject signatures from a clock that differs by more.
CLOCK_SECONDS = 30
CERTIFICATE_DAYS = 21


def check_api(deployment: Deployment) -> Iterator[Finding]:
    """Check that the API answers, and that its clock agrees with this machine's."""
    url = deployment.url
    answer = requests.post(f"{url}/login", json={}, timeout=PATIENCE)
    try:
        ours = answer.json()["error"]["code"] == "bad_request"
    except (ValueError, KeyError, TypeError):
        ours = False
    result = f"{url} answers"
    wrong = f"POST {url}/login was answered {answer.status_code}, and not by our function"
    hint = (
        f"Look at the access log. 403 in China: the account has no ICP filing. {deployment.deploy}"
    )
    yield either(ours, "API", result, wrong, hint)
    try:
        date = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        yield Finding(NOTE, "clock", "unknown: the answer has no date that can be read")
        return
    off = abs(date - time.time())
    result, wrong = "agrees with the API's", f"this machine's is {off:.0f} s off the API's"
    yield either(off <= CLOCK_SECONDS, "clock", result, wrong, "Set it, by NTP")


def check_discovery(deployment: Deployment) -> Iterator[Finding]:
    """Find the keys like a verifier of tokens."""
    url, issuer = deployment.url, deployment.output("TokenIssuer")
    what, place = "discovery", "/.well-known/openid-configuration"
    answer = requests.get(url + place, timeout=PATIENCE)
    try:
        document = answer.json()
        found, keys = document["issuer"], document["jwks_uri"]
    except (ValueError, KeyError, TypeError):
        result = f"{url}{place} was answered {answer.status_code}"
        yield Finding(FAIL, what, result, "Look at the log of PublishKeys")
        return
    if found != issuer or keys != f"{issuer}/.well-known/jwks.json":
        result = f"it names the issuer {found}, and tokens must name {issuer}"
        yield Finding(FAIL, what, result, f"Set Issuer, or leave it empty, and {deployment.deploy}")
        return
    yield Finding(OK, what, f"the issuer is {issuer}")
    # The issuer's own address may be one that is not up yet, or that only others reach.
    answer = requests.get(f"{url}/.well-known/jwks.json", timeout=PATIENCE)
    public = deployment.parameters.get("public-keys", '{"keys": []}')
    try:
        served = {key["kid"] for key in answer.json()["keys"]}
    except (ValueError, KeyError, TypeError):
        served = set()
    try:
        keys = json.loads(public)["keys"]
        wanted = {key["kid"] for key in keys}
        # A key is made a day before it signs, and each container reads again every five minutes.
        in_use = {key["kid"] for key in keys if key["activeFrom"] <= time.time()}
    except (KeyError, TypeError, ValueError):
        yield Finding(FAIL, "public keys", "those in SSM cannot be read", RESTORE_KEYS)
        return
    if in_use <= served < wanted:
        yield Finding(NOTE, "public keys", "the newest is not served yet; it will be in time")
        return
    result, wrong = f"{len(served)} served", "not those that are in SSM"
    remedy = "They agree within five minutes of a rotation; after that, read PublishKeys' log"
    yield either(served == wanted != set(), "public keys", result, wrong, remedy)


def check_domain(deployment: Deployment) -> Iterator[Finding]:
    """Check that the API's own domain leads here, with a valid certificate."""
    if deployment.stage.is_local:
        return
    name = deployment.setting("DomainName")
    if not name:
        result = "none of its own, and a released mini program needs one that is ICP-filed"
        yield Finding(NOTE, "domain", result, "Set DomainName and CertificateArn")
        return
    target = deployment.output("DomainTarget")
    try:
        with (
            socket.create_connection((name, 443), PATIENCE) as connection,
            ssl.create_default_context().wrap_socket(connection, server_hostname=name) as tls,
        ):
            ends = ssl.cert_time_to_seconds(str((tls.getpeercert() or {})["notAfter"]))
    except ssl.SSLError as refused:
        result = f"the certificate of {name} is not valid ({refused.reason})"
        yield Finding(FAIL, "domain", result, "Issue one for this name in ACM, in this region")
        return
    except OSError:
        result = f"{name} leads nowhere"
        yield Finding(FAIL, "domain", result, f"Point its DNS record (CNAME) to {target}")
        return
    days = (ends - time.time()) / DAY
    result = f"{name}, certificate for {days:.0f} days"
    remedy = "ACM renews by itself while the DNS record of its validation stands; restore that"
    yield either(days > CERTIFICATE_DAYS, "domain", result, result, remedy)
