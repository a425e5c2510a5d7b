"""Any API in OpenAI's format: ``POST {base}/embeddings`` with ``{model, input, dimensions}``."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import numpy as np
import structlog
from numpy.typing import NDArray

from common import codec
from common.errors import TransientError
from knowledge.embeddings import DIMENSIONS, Vectors, estimate_tokens
from knowledge.embeddings.limits import QUERY_SECONDS, Gate, Limits
from knowledge.embeddings.refusals import TextsFailed, TextsRefused
from knowledge.embeddings.vectors import BadEmbeddings, check_vectors
from knowledge.waiting.later import Later
from knowledge.waiting.slots import EMBEDDER
from knowledge.web.retries import Retries, asked_pause, send
from knowledge.windows import Window

log = structlog.get_logger()

_TEXTS_FAIL = frozenset({500})
"""What APIs answer when a text makes them fail. 502, 503, 504 and timeouts are outages and overload."""

_HUNG_UP = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""How a client sees a server that closes the connection before it has read a request that is too large."""


@dataclass(slots=True, frozen=True)
class OpenAiAccess:
    """Where the API is, its key, its model and how much of a text that reads."""

    base_url: str
    model: str
    api_key: str | None = None
    window: Window | None = None
    batch_size: int = 64
    timeout_seconds: float = 60.0
    retries: Retries = field(default_factory=Retries)
    limits: Limits = field(default_factory=Limits)


class OpenAiEmbedder:
    """Each item's ``index`` gives its place. An answer that is short, doubled, of other dimensions or holds
    NaN is refused, and the request repeated a limited number of times. Use one for the whole process, because
    its limits cover everything that is embedded with it."""

    def __init__(self, http: httpx.AsyncClient, access: OpenAiAccess) -> None:
        self._http, self._access = http, access
        self.model = access.model
        self.window = access.window
        self.batch_size = access.batch_size
        self.concurrency = access.limits.concurrency
        self._gate = Gate(access.limits)
        longest = min(QUERY_SECONDS, access.retries.longest_seconds)
        self._query_retries = replace(access.retries, longest_seconds=longest)

    async def embed(self, texts: Sequence[str], *, urgent: bool = False, once: bool = False) -> Vectors:
        if not texts:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        attempts = 1 if urgent or once else 2
        for attempt in range(1, attempts + 1):
            try:
                return await self._ask(texts, urgent, once)
            except BadEmbeddings:
                if attempt == attempts:
                    raise
        raise AssertionError("unreachable")

    async def close(self) -> None:
        return None

    async def _ask(self, texts: Sequence[str], urgent: bool, once: bool) -> Vectors:
        headers = {"Content-Type": "application/json"}
        if self._access.api_key:
            headers["Authorization"] = f"Bearer {self._access.api_key}"
        body = codec.dumps({"model": self.model, "input": list(texts), "dimensions": DIMENSIONS})
        url = f"{self._access.base_url.rstrip('/')}/embeddings"
        tokens, timeout = estimate_tokens(texts), self._access.timeout_seconds

        outcomes: list[int | type[Exception]] = []

        async def post() -> httpx.Response:
            async with self._gate.turn(tokens, urgent=urgent):
                try:
                    response = await self._http.post(url, content=body, headers=headers, timeout=timeout)
                except httpx.TransportError as error:
                    outcomes.append(type(error))
                    raise
                outcomes.append(response.status_code)
                if response.status_code >= 500 or response.status_code == 429:
                    words = " ".join(response.text.split())[:200]
                    log.info("embeddings API failed", url=url, status=response.status_code, answer=words)
                if response.status_code in (429, 503):
                    self._gate.pause(asked_pause(response) or 0)
                return response

        retries = self._query_retries if urgent else self._access.retries
        try:
            response = await send(
                post,
                what="the embeddings API",
                site=EMBEDDER,
                retries=retries,
                quoted=False,
                final=_TEXTS_FAIL if once else frozenset(),
            )
        except Later:
            raise
        except TransientError as error:
            if outcomes[-1] in _TEXTS_FAIL or outcomes[-1] in _HUNG_UP:
                raise TextsFailed(error.reason) from error
            raise
        if response.status_code != 200:
            words = " ".join(response.text.split())[:200]
            log.warning("embeddings refused", url=url, status=response.status_code, answer=words)
            # Everyone who sees the base sees the reason, and the API's own words may contain keys and
            # accounts.
            refused = TextsFailed if response.status_code in _TEXTS_FAIL else TextsRefused
            raise refused(f"the embeddings API refused the texts: HTTP {response.status_code}")
        return check_vectors(_ordered(response, len(texts)), expected=len(texts))


def _ordered(response: httpx.Response, expected: int) -> NDArray[np.float32]:
    """The answer's vectors by ``index``. Raises :class:`BadEmbeddings`."""
    try:
        # Not the strict decoder: Python's own accepts NaN, which the check reports more clearly than a syntax
        # error.
        items: list[dict[str, Any]] = response.json()["data"]
        rows = {int(item["index"]): item["embedding"] for item in items}
    except (ValueError, KeyError, TypeError) as error:
        raise BadEmbeddings(f"the embeddings API answered in another form: {error!r}") from error
    if sorted(rows) != list(range(expected)) or len(items) != expected:
        raise BadEmbeddings(f"the embeddings API answered {len(items)} vectors for {expected} texts")
    try:
        return np.array([rows[index] for index in range(expected)], dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise BadEmbeddings("the embeddings aren't vectors of one length") from error
