"""Searching one's own messages."""

from chat.search import repository
from chat.search.records import Hit, Position
from chat.search.rules import further, query_text
from common.errors import Invalid
from common.postgres import Pool
from servicekit.keysets import Page

NEWEST = 2_000
"""Messages that are looked through one by one, newest first, before the full-text index is asked. A frequent
word is found there at once, where the index would find more than can be sorted. Any other word is in few
messages, and the index finds them all."""


async def search(pool: Pool, user_id: str, typed: str, page: Page[Position]) -> tuple[list[Hit], str | None]:
    """A page of the user's messages that match, newest first; and the cursor of the next page.

    Raises :class:`Invalid` for a query without a word to find. Messages that are deleted meanwhile are left
    out.
    """
    text, rows, after = query_text(typed), page.rows, page.after
    assert rows is not None, "a search has a limit"
    async with pool.acquire() as connection:
        query = await repository.parse_query(connection, text, user_id)
        if query is None:
            raise Invalid("Validation failed", details={"q": ["must contain a word to find"]})
        found = await repository.list_among_newest(connection, user_id, query, after, rows, NEWEST)
        if among := further(query.owned, len(found), rows, NEWEST):
            found = await repository.list_among_newest(connection, user_id, query, after, rows, among)
        if len(found) < rows:
            found = await repository.list_by_words(connection, user_id, query, after, rows)
        hits = await repository.list_hits(connection, query, found[: rows - 1]) if found else []
    return hits, page.cursor(found[rows - 2]) if len(found) == rows else None
