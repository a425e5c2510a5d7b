"""Calls to other hosts' HTTP APIs: temporary failures are retried with jitter, ``Retry-After`` is
honoured."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import structlog

from common import backoff
from common.errors import TransientError
from knowledge.waiting.later import LONGEST_SECONDS, RateLimited
from knowledge.waiting.slots import waiting_for

log = structlog.get_logger()

_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})


@dataclass(slots=True, frozen=True)
class Retries:
    """``attempts`` in all. The first pause is up to ``base_seconds``; each further one doubles, up to
    ``longest_seconds``, or is as long as the server asks.

    If a server asks for more than ``longest_seconds``, the whole job is put back.
    """

    attempts: int = 4
    base_seconds: float = 0.5
    longest_seconds: float = 30.0


async def send(
    request: Callable[[], Awaitable[httpx.Response]],
    *,
    what: str,
    site: str,
    retries: Retries,
    quoted: bool = True,
    final: Collection[int] = (),
) -> httpx.Response:
    """The response of ``request``, once it isn't a temporary failure, or has one of the statuses ``final``. A
    sync keeps its slot only while ``site`` answers.

    Raises ``TransientError`` (``what``, the status, and the server's words if ``quoted``) once the attempts
    are used up, and :class:`RateLimited` if the server has said when to come back. The caller checks every
    other status.
    """
    async with waiting_for(site):
        return await _send(request, what, site, retries, quoted, final)


async def _send(
    request: Callable[[], Awaitable[httpx.Response]],
    what: str,
    site: str,
    retries: Retries,
    quoted: bool,
    final: Collection[int],
) -> httpx.Response:
    for attempt in range(1, retries.attempts + 1):
        pause = backoff.pause(attempt, first=retries.base_seconds, longest=retries.longest_seconds)
        try:
            response = await request()
        except (httpx.TimeoutException, httpx.TransportError) as error:
            problem = f"{what}: {type(error).__name__}: {error}".rstrip(": ")
        else:
            if response.status_code in final or not _passing(response):
                return response
            words = _words(response) if quoted else ""
            problem = f"{what}: HTTP {response.status_code} {words}".rstrip()
            asked = asked_pause(response)
            limited = response.status_code in (403, 429) and attempt == retries.attempts
            if asked and (asked > retries.longest_seconds or limited):
                raise RateLimited(site, asked, f"{problem}; it asks to wait {asked:.0f} s")
            pause = max(pause, asked or 0)
        if attempt < retries.attempts:
            log.info("request retried", problem=problem, pause_seconds=round(pause, 3), attempt=attempt)
            await asyncio.sleep(pause)
    raise TransientError(f"{problem} ({retries.attempts} attempts)")


def _passing(response: httpx.Response) -> bool:
    """Whether to try again: overload, a gateway's trouble, or a rate limit (for which GitHub also answers
    403)."""
    if response.status_code in _RETRIED:
        return True
    return response.status_code == 403 and (
        "retry-after" in response.headers
        or response.headers.get("x-ratelimit-remaining") == "0"
        or _is_secondary_limit(response)
    )


def _is_secondary_limit(response: httpx.Response) -> bool:
    """GitHub's limit on bursts may come without a header: then wait at least a minute.
    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api"""
    return response.status_code in (403, 429) and b"secondary rate limit" in response.content[:2000]


def asked_pause(response: httpx.Response) -> float | None:
    """Seconds that ``Retry-After`` (a number or a date) or GitHub's ``X-RateLimit-Reset`` asks for, at most
    an hour: ``Retry-After: inf`` would never end."""
    asked = _asked(response)
    return None if asked is None else min(asked, LONGEST_SECONDS)


def _asked(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after")
    if value:
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError):
            return None
    reset = response.headers.get("x-ratelimit-reset")
    if reset and response.headers.get("x-ratelimit-remaining") == "0":
        try:
            return max(0.0, float(reset) - time.time())
        except ValueError:
            return None
    return 60.0 if _is_secondary_limit(response) else None


def _words(response: httpx.Response) -> str:
    """The server's reason for its refusal, shortened: it ends up in logs and job results."""
    return " ".join(response.text.split())[:200]
