"""CORS: a browser allows only the origins in CorsOrigins to call the API."""

import pytest

PAGE, OTHER = "https://www.example.com", "https://www.example.org"
TWO = f"{PAGE}, https://other.example.com"


def preflight(backend, origin):
    """Send a preflight, as a browser does before a page's first POST /login."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    return backend.send("OPTIONS", "/login", headers=asked.items())


def log_in(backend, origin):
    """Call, as a browser does for a page."""
    headers = {"Origin": origin, "Content-Type": "application/json"}
    return backend.send("POST", "/login", b"{}", headers.items())


def shared(answer):
    """Return the CORS headers of an answer."""
    return {name: value for name, value in answer.headers.items() if name.startswith("access-")}


@pytest.mark.parametrize("origins", [PAGE, TWO])
def test_a_page_that_may_call_the_api_gets_cors_headers_before_and_after(deployed_with, origins):
    backend = deployed_with(CorsOrigins=origins)

    before, after = preflight(backend, PAGE), log_in(backend, PAGE)

    assert (before.status, before.text) == (204, "")
    assert shared(before) == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "GET,POST,PUT,DELETE",
        "access-control-allow-headers": "authorization,content-type",
        "access-control-max-age": "600",
    }
    assert after.body["error"]["code"] == "bad_request"
    assert shared(after) == {"access-control-allow-origin": PAGE}


def test_a_page_that_may_not_call_the_api_gets_no_cors_headers(deployed_with):
    backend = deployed_with(CorsOrigins=TWO)

    before, after = preflight(backend, OTHER), log_in(backend, OTHER)

    assert (before.status, shared(before)) == (204, {})
    # The call itself is answered; the browser hides the answer from the page.
    assert (after.status, shared(after)) == (400, {})


def test_without_origins_there_is_no_cors(deployed_with):
    backend = deployed_with()

    before, after = preflight(backend, PAGE), log_in(backend, PAGE)

    assert (before.status, before.body) == (404, {"message": "Not Found"})
    assert (after.status, shared(before), shared(after)) == (400, {}, {})
