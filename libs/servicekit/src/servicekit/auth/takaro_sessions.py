"""Verifies a browser's cookie by asking Takaro whose session it is.

The cookie is a secret: it is remembered as its SHA-256 only, and stands in no log, span or error message. So
no exception of the HTTP client is logged or chained here: some quote the header that they couldn't send.
"""

import asyncio
import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Annotated

import httpx
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common import telemetry
from common.errors import NotAuthenticated, PermanentError, TransientError
from servicekit.auth.caller import Caller, check_user_id
from servicekit.auth.takaro_me import NoAnswer, get_me

log = structlog.get_logger()

REMEMBERED_SECONDS = 60.0
"""A session that Takaro has ended counts for so long at most."""

REMEMBERED_SESSIONS = 10_000
"""Sessions of one process: about 5 MB. The oldest is forgotten first."""

ANSWER_SECONDS = 5.0
"""Longest wait for Takaro, the wait for a free call included."""

REFUSED_SECONDS = 5.0
REFUSED_SESSIONS = 10_000
"""For how long, and of how many cookies, a refusal is remembered: a signed-out tab may poll."""

CALLS_AT_ONCE = 10
CALLS_WAITING = 500
"""Cookies whose owners are being asked for, in one process; another one is told to come back.

Both count twice: for cookies that Takaro knew before, and for all others. So strangers keep no user waiting.
"""

_Detail = Annotated[str, Field(max_length=1_000)]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, hide_input_in_errors=True)


class _User(_Model):
    id: str
    email: _Detail | None = None
    name: _Detail | None = None


class _Me(_Model):
    user: _User


class _Answer(_Model):
    data: _Me


@dataclass(slots=True, frozen=True)
class _Known:
    """Whose session it is, and when (monotonic) Takaro was asked."""

    caller: Caller
    asked_at: float

    def holds(self) -> bool:
        """Whether it counts, by both clocks: the wall clock, which streams wait for, may be set meanwhile."""
        return time.monotonic() - self.asked_at < REMEMBERED_SECONDS and self.caller.seconds_left() != 0


class TakaroSessions:
    """Knows the callers of Takaro's cookies. ``http`` must neither follow redirects nor keep cookies."""

    def __init__(self, api_url: str, http: httpx.AsyncClient) -> None:
        self._url, self._http = f"{api_url.rstrip('/')}/me", http
        self._known: dict[bytes, _Known] = {}
        self._asking: dict[bytes, asyncio.Task[Caller]] = {}
        self._refused: dict[bytes, float] = {}
        self._waiting: Counter[bool] = Counter()
        self._free_calls = {known: asyncio.Semaphore(CALLS_AT_ONCE) for known in (True, False)}

    async def caller(self, cookie: bytes) -> Caller:
        """The caller whose browser has this ``Cookie`` header.

        Requests that ask for the same cookie meanwhile share one call. Raises :class:`NotAuthenticated` if
        the session ended (for :data:`REFUSED_SECONDS` without asking), and :class:`TransientError` without a
        usable answer.
        """
        digest = sha256(cookie).digest()
        known = self._known.get(digest)
        if known is not None and known.holds():
            found = known.caller
        elif time.monotonic() - self._refused.get(digest, -math.inf) < REFUSED_SECONDS:
            raise NotAuthenticated("Not authenticated")
        else:
            found = await self._ask_once(digest, cookie)
        return replace(found, verify_again=lambda: self.caller(cookie))

    async def _ask_once(self, digest: bytes, cookie: bytes) -> Caller:
        asking = self._asking.get(digest)
        if asking is None:
            known = digest in self._known
            if self._waiting[known] >= CALLS_WAITING:
                raise TransientError("Too many callers wait for Takaro, try again")
            self._waiting[known] += 1
            asking = self._asking[digest] = asyncio.create_task(self._ask(digest, cookie))
            asking.add_done_callback(partial(self._asked, digest, known))
        return await asyncio.shield(asking)  # of several waiting requests, one may be given up

    def _asked(self, digest: bytes, known: bool, asking: "asyncio.Task[Caller]") -> None:
        del self._asking[digest]
        self._waiting[known] -= 1
        if not asking.cancelled():
            asking.exception()  # seen, even if everybody who waited for it has given up

    async def _ask(self, digest: bytes, cookie: bytes) -> Caller:
        free_calls = self._free_calls[digest in self._known]
        try:
            async with asyncio.timeout(ANSWER_SECONDS), free_calls:
                asked_at, end = time.monotonic(), time.time() + REMEMBERED_SECONDS
                with telemetry.span("GET /me", kind=SpanKind.CLIENT), suppress_instrumentation():
                    found = await self._get(cookie)
        except (NoAnswer, TimeoutError) as error:
            log.warning("Takaro can't say who is calling", error=str(error) or "too slow")
            raise TransientError("Takaro can't be asked who is calling, try again") from None
        self._known.pop(digest, None)  # the newest stands last
        self._refused.pop(digest, None)
        if found is None:
            while len(self._refused) >= REFUSED_SESSIONS:
                del self._refused[next(iter(self._refused))]
            self._refused[digest] = time.monotonic()
            raise NotAuthenticated("Not authenticated")
        caller = replace(found, expires_at=end, by_cookie=True)
        while len(self._known) >= REMEMBERED_SESSIONS:
            del self._known[next(iter(self._known))]
        self._known[digest] = _Known(caller, asked_at)
        return caller

    async def _get(self, cookie: bytes) -> Caller | None:
        """Who Takaro says it is; None for nobody."""
        body = await get_me(self._http, self._url, cookie)
        return None if body is None else _caller_in(body)


def _caller_in(body: bytes) -> Caller:
    try:
        user = _Answer.model_validate_json(body).data.user
        check_user_id(user.id)
    except (ValidationError, PermanentError):
        raise NoAnswer("an answer that isn't one of /me") from None
    return Caller(user.id, email=user.email, name=user.name)
