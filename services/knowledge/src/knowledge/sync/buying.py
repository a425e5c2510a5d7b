"""Buys the embeddings that the cache lacks, each once, in as few calls as possible.

They are stored in the cache as they arrive, so a sync that is killed or fails later loses none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from types import TracebackType
from typing import Self

from common.errors import TakaroError
from common.postgres import Pool
from knowledge.content.binary_codecs import register_binary
from knowledge.content.cache import repository as cache_repository
from knowledge.content.chunks.records import Chunk
from knowledge.embeddings import Embedder
from knowledge.embeddings.refusals import embed_parts

Bought = Callable[[Sequence[str]], None]
"""Called with the texts of each batch, as soon as their embeddings are stored."""


MOST_REFUSED = 20
"""If so many texts are refused, and more of them than are taken, the embedder is wrong and not the texts."""


class Buyer:
    """Collects texts over many files, and passes full batches to the embedder, several at once.

    Leaving the context waits for the batches in flight, because they are paid for, even if another one
    failed. Only a cancellation doesn't wait.
    """

    def __init__(self, pool: Pool, embedder: Embedder, bought: Bought) -> None:
        self._pool, self._embedder, self._bought = pool, embedder, bought
        self._wanted: dict[bytes, str] = {}
        self._under_way: dict[asyncio.Task[None], dict[bytes, str]] = {}
        self._taken = 0
        self.refused: dict[bytes, TakaroError] = {}
        """Why the embedder refuses a text, by the text's hash."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            for task in self._under_way:
                task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def want(self, chunks: Sequence[Chunk]) -> int:
        """Add the texts of ``chunks`` whose embeddings are neither in the cache nor in flight. Returns their
        number."""
        texts = {chunk.content_hash: chunk.content for chunk in chunks}
        if not texts:
            return 0
        async with self._pool.acquire() as connection:
            await cache_repository.update_cache_used(connection, self._embedder.model, list(texts))
            known = await cache_repository.list_cached_hashes(connection, self._embedder.model, list(texts))
        known.update(self.refused, *self._under_way.values())
        before = len(self._wanted)
        self._wanted.update((key, text) for key, text in texts.items() if key not in known)
        return len(self._wanted) - before

    async def buy(self, report: Callable[[], Awaitable[None]], *, rest: bool) -> None:
        """Embed full batches of the wanted texts; with ``rest`` embed all of them and wait for the answers.

        Calls ``report`` between them. A text that the embedder refuses is ``refused``. Raises what the
        embedder raised for a batch, of this call or of an earlier one.
        """
        size, concurrency = self._embedder.batch_size, self._embedder.concurrency
        while True:
            for task in [task for task in self._under_way if task.done()]:
                del self._under_way[task]
                task.result()
                if self._under_way or self._wanted:
                    await report()
            to_start = len(self._wanted) >= size or (rest and self._wanted)
            if to_start and len(self._under_way) < concurrency:
                batch = dict(islice(self._wanted.items(), size))
                for content_hash in batch:
                    del self._wanted[content_hash]
                self._under_way[asyncio.create_task(self._buy_one(batch))] = batch
            elif to_start or (rest and self._under_way):
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            else:
                return

    async def _buy_one(self, batch: dict[bytes, str]) -> None:
        hashes, texts = list(batch), list(batch.values())
        async for part in embed_parts(self._embedder, texts):
            if part.vectors is None:
                self._refuse(hashes[part.start], part.refusal)
                continue
            taken = hashes[part.start : part.start + len(part.vectors)]
            self._taken += len(taken)
            async with self._pool.acquire() as connection:
                await register_binary(connection)
                await cache_repository.insert_cached(connection, self._embedder.model, taken, part.vectors)
        self._bought(texts)

    def _refuse(self, content_hash: bytes, refusal: TakaroError | None) -> None:
        """Raises ``refusal`` once most texts are refused."""
        assert refusal is not None
        self.refused[content_hash] = refusal
        if len(self.refused) >= MOST_REFUSED and len(self.refused) > self._taken:
            raise refusal
