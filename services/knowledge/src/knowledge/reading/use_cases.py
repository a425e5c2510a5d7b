"""Lists the documents of a base, and reads one."""

from collections.abc import AsyncGenerator, Sequence

from common.errors import Forbidden, NotFound
from common.postgres import Connection, Pool, transaction, tried_again
from knowledge.reading import repository, rules
from knowledge.reading.records import Document, Listed, Source, piece_of
from knowledge.search.repository import list_targets
from servicekit.keysets import Page

PAGE_DOCUMENTS = 200


async def get_source(pool: Pool, base_id: str, user_id: str, version: str | None) -> Source:
    """What a reader of the base reads: ``version``, else what a search without one does. Raises ``NotFound``
    for an unknown base or version, and ``Forbidden`` for another user's private base."""
    async with pool.acquire() as connection:
        return await _source(connection, base_id, user_id, version)


async def list_documents(
    pool: Pool, source: Source, prefix: str | None, page: Page[tuple[str, ...]]
) -> AsyncGenerator[Sequence[Listed], None]:
    """The documents whose paths begin with ``prefix``, by path, in pages, and one more than ``page`` wants.
    Files without text are none."""
    if source.synced:
        read = repository.list_synced_backwards if page.descending else repository.list_synced
    else:
        read = repository.list_adopted_backwards if page.descending else repository.list_adopted
    last = page.after[0] if page.after else None
    for size in page.sizes(PAGE_DOCUMENTS):
        async with pool.acquire() as connection:
            found = await read(connection, source, prefix, last, size)
        if found:
            yield found
            last = found[-1].path
        if len(found) < size:
            return


@tried_again
async def read_document(
    pool: Pool, base_id: str, path: str, user_id: str, *, version: str | None, start: int, limit: int
) -> Document:
    """The text of up to ``limit`` chunks of the document, from number ``start``, as it was before it was cut.

    It is of one state of the base, before or after a sync. Raises ``NotFound`` for an unknown base, version
    or document, and ``Forbidden`` for another user's private base.
    """
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        source = await _source(connection, base_id, user_id, version)
        read = repository.list_pieces if source.synced else repository.list_adopted_pieces
        # A service doesn't see the slash at an address's end, and a website's page may have one there.
        found = await read(connection, source, (path, f"{path}/"), max(0, start - 1), start + limit)
    if not found:
        raise NotFound(f"This knowledge base has no document {path!r}", code="document_not_found")
    before = piece_of(found, start - 1)
    texts = [piece.content for piece in found if piece.index >= start]
    return Document(
        source,
        found[0].path,
        rules.join(texts, source.overlap, before.content if before else None),
        start,
        start + len(texts),
        found[0].total,
        found[0].metadata,
    )


async def _source(connection: Connection, base_id: str, user_id: str, version: str | None) -> Source:
    targets = await list_targets(connection, [base_id], user_id, version)
    if not targets:
        raise NotFound("Knowledge base not found", code="knowledge_base_not_found")
    [target] = targets
    if not target.visible:
        raise Forbidden
    if target.model is None and not target.chunk_count and not target.current:
        raise NotFound(f"This knowledge base has no version {target.version!r}", code="version_not_found")
    source = await repository.get_source(connection, base_id, target.version)
    if source is None:  # deleted between the two statements
        raise NotFound("Knowledge base not found", code="knowledge_base_not_found")
    return source
