"""The cookie of ``/login`` among others, and what of it counts over HTTPS."""

import pytest
from starlette.responses import Response

from servicekit.auth.login_cookie import delete_login, read_cookies, set_login
from servicekit.openapi_security import schemes_of


def scope(*cookies: str, scheme: str = "http") -> dict[str, object]:
    return {"type": "http", "scheme": scheme, "headers": [(b"cookie", each.encode()) for each in cookies]}


@pytest.mark.parametrize(
    ("cookies", "own", "others"),
    [
        ([], None, b""),
        (["takaro-token=1; theme=dark"], None, b"takaro-token=1; theme=dark"),
        (["takaro_login=a%20b"], "a b", b""),
        (["x=1;takaro_login=a; y=2", "z=3"], "a", b"x=1; y=2; z=3"),
        (["takaro_login=", "x"], None, b"x"),
        (["takaro_login=first; takaro_login=second"], "first", b""),
        (["takaro_login=a; __Host-takaro_login=b"], "b", b""),
        (["takaro_login2=a; xtakaro_login=b"], None, b"takaro_login2=a; xtakaro_login=b"),
    ],
)
def test_our_own_cookie_is_told_from_the_others(cookies: list[str], own: str | None, others: bytes) -> None:
    assert read_cookies(scope(*cookies)) == (own, others)


def test_over_https_only_a_cookie_counts_that_no_other_host_can_set() -> None:
    assert read_cookies(scope("takaro_login=a; x=1", scheme="https")) == (None, b"x=1")
    assert read_cookies(scope("__Host-takaro_login=a", scheme="https")) == ("a", b"")


@pytest.mark.parametrize(
    ("scheme", "name", "secure"), [("http", "takaro_login", False), ("https", "__Host-takaro_login", True)]
)
def test_the_cookie_is_for_our_own_pages_alone(scheme: str, name: str, secure: bool) -> None:
    response = Response()
    set_login(response, scope(scheme=scheme), "Änn; Secure", 17.9)
    set_login(response, scope(scheme=scheme), "ann", None)
    set_login(response, scope(scheme=scheme), "ann", 1e12)
    delete_login(response, scope(scheme=scheme))
    given = response.headers.getlist("set-cookie")
    assert given[0].startswith(f"{name}=%C3%84nn%3B%20Secure; ")
    assert "Max-Age=17;" in given[0]
    assert "Max-Age" not in given[1]
    assert "Max-Age=34560000;" in given[2]
    for cookie in given[:3]:
        assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        assert ("Secure" in cookie.split("; ")) == secure
    assert any(cookie.startswith(f'{name}=""; ') and "Max-Age=0" in cookie for cookie in given[3:])


@pytest.mark.parametrize(
    ("mode", "known"), [("jwt", True), ("dev", True), ("jwt,takaro", True), ("takaro", False)]
)
def test_openapi_names_it_where_it_counts(mode: str, known: bool) -> None:
    assert ("login" in schemes_of(mode)) == known
