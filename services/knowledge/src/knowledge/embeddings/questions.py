"""Questions and their vectors: what was asked before isn't embedded again."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from knowledge.embeddings import DIMENSIONS, Embedder

Vector = NDArray[np.float32]
"""Shape (1536,), of length 1."""

QUESTIONS = Counter(
    "takaro_knowledge_questions_total",
    "Questions of searches; remembered: not embedded again",
    ["remembered"],
)

_OVERHEAD = 500
"""Bytes of a remembered question beside its text and its numbers: the array, the key, the entry."""


class Questions:
    """Embeds questions of people and agents, and remembers the newest.

    They are kept in ``max_bytes`` of memory, 0 for none, by the embedder's model and the exact text. Equal
    questions that come while one of them is embedded wait for it; if its asker goes away, one of them asks.
    """

    def __init__(self, embedder: Embedder, max_bytes: int) -> None:
        self._embedder, self._max_bytes = embedder, max_bytes
        self._kept: OrderedDict[tuple[str, str], Vector] = OrderedDict()
        self._bytes = 0
        self._coming: dict[tuple[str, str], asyncio.Future[Vector]] = {}

    @property
    def model(self) -> str:
        """The embedder's."""
        return self._embedder.model

    @property
    def bytes(self) -> int:
        """What is kept now takes this much memory, at most :attr:`max_bytes`."""
        return self._bytes

    def remembers(self, texts: Sequence[str]) -> bool:
        """Whether none of ``texts`` has to be embedded."""
        return all((self.model, text) in self._kept for text in texts)

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """The vectors of ``texts``, in order. What isn't known is embedded in one call, or in as few as the
        embedder allows. Raises what the embedder does."""
        model = self.model
        found: dict[str, Vector] = {}
        asked_for = 0
        while missing := [text for text in dict.fromkeys(texts) if text not in found]:
            waiting: dict[str, asyncio.Future[Vector]] = {}
            asked: list[str] = []
            for text in missing:
                if (vector := self._kept.get((model, text))) is not None:
                    self._kept.move_to_end((model, text))
                    found[text] = vector
                elif coming := self._coming.get((model, text)):
                    waiting[text] = coming
                else:
                    asked.append(text)
            asked_for += len(asked)
            QUESTIONS.labels("no").inc(len(asked))
            found |= await self._ask(model, asked)
            if waiting:
                await asyncio.wait(waiting.values())  # not cancelled with one who waits
            # One whose asker went away is looked for again: the first who comes asks, the others wait.
            found |= {text: future.result() for text, future in waiting.items() if not future.cancelled()}
        QUESTIONS.labels("yes").inc(len(texts) - asked_for)
        return [found[text] for text in texts]

    async def _ask(self, model: str, texts: Sequence[str]) -> dict[str, Vector]:
        if not texts:
            return {}
        futures = {text: asyncio.get_running_loop().create_future() for text in texts}
        self._coming |= {(model, text): future for text, future in futures.items()}
        try:
            found: dict[str, Vector] = {}
            for start in range(0, len(texts), self._embedder.batch_size):
                part = texts[start : start + self._embedder.batch_size]
                vectors = await self._embedder.embed(part, urgent=True)
                found |= {text: vector.copy() for text, vector in zip(part, vectors, strict=True)}
            for text, vector in found.items():
                futures[text].set_result(vector)
                self._keep((model, text), vector)
            return found
        except Exception as error:
            for future in futures.values():
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # nobody may be waiting for it
            raise
        finally:
            for text, future in futures.items():
                future.cancel()
                if self._coming.get((model, text)) is future:
                    del self._coming[model, text]

    def _keep(self, key: tuple[str, str], vector: Vector) -> None:
        if key in self._kept:
            return
        self._kept[key] = vector
        self._bytes += _size(key)
        while self._bytes > self._max_bytes:
            oldest, _ = self._kept.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(key: tuple[str, str]) -> int:
    """An upper bound: Python keeps a character in up to four bytes."""
    return _OVERHEAD + 4 * len(key[1]) + 4 * DIMENSIONS
