"""Asks Takaro's ``/me`` about the owner of a cookie.

The cookie and the answer are secrets. So no exception of the HTTP client is chained here: some quote the
header that they couldn't send.
"""

import httpx

MAX_BYTES = 1_000_000
"""Largest answer: it lists the domains of a user."""


class NoAnswer(Exception):
    """There is none, or it isn't one of ``/me``. The text says why, without a word of question or answer."""


async def get_me(http: httpx.AsyncClient, url: str, cookie: bytes) -> bytes | None:
    """The body of Takaro's answer at ``url`` to this ``Cookie`` header; None for nobody's. No other header of
    the caller goes with the call, and no redirection is followed. The caller limits the time.

    Raises :class:`NoAnswer`.
    """
    headers = {b"Cookie": cookie, b"Accept": b"application/json", b"Accept-Encoding": b"identity"}
    body = bytearray()
    try:
        async with http.stream("GET", url, headers=headers, follow_redirects=False) as response:
            if response.status_code == httpx.codes.UNAUTHORIZED:
                return None
            if response.status_code != httpx.codes.OK:
                raise NoAnswer(f"status {response.status_code}")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise NoAnswer(f"an answer over {MAX_BYTES} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(type(error).__name__) from None
    return bytes(body)
