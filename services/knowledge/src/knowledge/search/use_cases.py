"""Find the chunks of a knowledge base that are nearest to a question."""

from collections.abc import Sequence

from common.errors import Conflict, Forbidden, NotFound
from common.postgres import Connection, Pool
from knowledge.embeddings import Embedder
from knowledge.search import records, repository
from knowledge.search.records import Hit


async def search(
    pool: Pool,
    embedder: Embedder,
    base_id: str,
    question: str,
    limit: int,
    exact_rows: int,
    *,
    user_id: str = "",
    version: str | None = None,
) -> Sequence[Hit]:
    """The ``limit`` chunks most similar to ``question``, best first; fewer only when the base has fewer.

    Reads one state of the base, before or after a sync: of ``version``, else of its current one, and of the
    one before while that has yet to be synced. Raises ``NotFound`` for an unknown base or version,
    ``Forbidden`` for another user's private one, ``Conflict`` for one whose vectors another model made.
    """

    async def find_target(connection: Connection) -> records.Target:
        target = await repository.get_target(connection, base_id, user_id, version)
        return _check(target, embedder.model)

    async with pool.acquire() as connection:
        await find_target(connection)
    vector = (await embedder.embed([question], urgent=True))[0].tolist()
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        target = await find_target(connection)
        if target.chunk_count > exact_rows:
            await repository.set_hnsw(connection)
            hits = await repository.search_by_index(connection, vector, base_id, target.version, limit)
            if len(hits) == min(limit, target.chunk_count):
                return hits
            # The scan gave up among other bases' rows (hnsw.max_scan_tuples): comparing all is never short.
        return await repository.search_exactly(connection, vector, base_id, target.version, limit)


def _check(target: records.Target | None, model: str) -> records.Target:
    if target is None:
        raise NotFound("Knowledge base not found")
    if not target.visible:
        raise Forbidden
    if target.model is None and not target.chunk_count and not target.current:
        raise NotFound(f"This knowledge base has no version {target.version!r}", code="version_not_found")
    if target.chunk_count and target.model != model:
        raise Conflict(
            f"This knowledge base was embedded with {target.model or 'an unknown model'}, and searches "
            f"are made with {model}: sync it to embed it anew",
            code="model_mismatch",
        )
    return target
