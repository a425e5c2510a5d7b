"""The HTTP client with which a service calls others."""

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from servicekit.tls import trusted_certificates

_NO_COOKIES = DefaultCookiePolicy(allowed_domains=())


def open_http() -> httpx.AsyncClient:
    """A client that follows no redirects, and keeps no cookies: it calls for everybody."""
    return httpx.AsyncClient(
        timeout=30, follow_redirects=False, verify=trusted_certificates(), cookies=CookieJar(_NO_COOKIES)
    )
