"""Buys the embeddings that the cache lacks, each once, in as few calls as possible.

They are stored in the cache as they arrive, so a sync that is killed or fails later loses none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
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
"""Called with the texts of each batch, as soon as their embeddings are stored or refused."""

MOST_REFUSED = 20
"""If so many files are refused that weren't before, and more of them than texts are taken, the embedder is
wrong and not the files."""


@dataclass(slots=True)
class Wanted:
    """A text to embed, and the files that have it."""

    text: str
    paths: set[str] = field(default_factory=set)


class Buyer:
    """Collects texts over many files, and passes full batches to the embedder, several at once.

    Leaving the context waits for the batches in flight, because they are paid for, even if another one
    failed. Only a cancellation doesn't wait. ``failed_before`` are the paths of files that failed in the last
    sync: each sync tries them again, and that they are refused again says nothing of the embedder.
    """

    def __init__(
        self, pool: Pool, embedder: Embedder, bought: Bought, failed_before: Collection[str] = ()
    ) -> None:
        self._pool, self._embedder, self._bought = pool, embedder, bought
        self._failed_before = frozenset(failed_before)
        self._wanted: dict[bytes, Wanted] = {}
        self._under_way: dict[asyncio.Task[None], dict[bytes, Wanted]] = {}
        self._taken = 0
        self._refused_paths: set[str] = set()
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
        hashes = list({chunk.content_hash for chunk in chunks})
        if not hashes:
            return 0
        async with self._pool.acquire() as connection:
            await cache_repository.update_cache_used(connection, self._embedder.model, hashes)
            known = await cache_repository.list_cached_hashes(connection, self._embedder.model, hashes)
        known.update(self.refused, *self._under_way.values())
        before = len(self._wanted)
        for chunk in chunks:
            if chunk.content_hash not in known:
                self._wanted.setdefault(chunk.content_hash, Wanted(chunk.embedded)).paths.add(chunk.path)
        return len(self._wanted) - before

    async def buy(self, report: Callable[[], Awaitable[None]], *, rest: bool) -> None:
        """Embed full batches of the wanted texts; with ``rest`` embed all of them and wait for the answers.

        Calls ``report`` between them. A text that the embedder refuses is ``refused``; what only its file
        has besides is no longer embedded. Raises what the embedder raised for a batch, of this call or of an
        earlier one.
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
                if batch := self._take(size):
                    self._under_way[asyncio.create_task(self._buy_one(batch))] = batch
            elif to_start or (rest and self._under_way):
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            else:
                return

    def _take(self, size: int) -> dict[bytes, Wanted]:
        """The next texts, ``size`` at most, without those that only refused files have."""
        batch: dict[bytes, Wanted] = {}
        needless = []
        while self._wanted and len(batch) < size:
            content_hash = next(iter(self._wanted))
            wanted = self._wanted.pop(content_hash)
            if wanted.paths <= self._refused_paths:
                needless.append(wanted.text)
            else:
                batch[content_hash] = wanted
        self._bought(needless)
        return batch

    async def _buy_one(self, batch: dict[bytes, Wanted]) -> None:
        hashes, texts = list(batch), [wanted.text for wanted in batch.values()]
        async for part in embed_parts(self._embedder, texts):
            if part.refusal is not None:
                self._refuse(hashes[part.start], batch[hashes[part.start]], part.refusal)
            if part.vectors is None:
                continue
            taken = hashes[part.start : part.start + len(part.vectors)]
            self._taken += len(taken)
            async with self._pool.acquire() as connection:
                await register_binary(connection)
                await cache_repository.insert_cached(connection, self._embedder.model, taken, part.vectors)
        self._bought(texts)

    def _refuse(self, content_hash: bytes, wanted: Wanted, refusal: TakaroError) -> None:
        """Raises ``refusal`` once most files are refused."""
        self.refused[content_hash] = refusal
        self._refused_paths |= wanted.paths
        new = len(self._refused_paths - self._failed_before)
        if new >= MOST_REFUSED and new > self._taken:
            raise refusal
