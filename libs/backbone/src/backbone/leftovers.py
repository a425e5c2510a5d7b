"""Counts what the streams still hold of a user, after an erasure or before."""

from collections.abc import Sequence

from backbone.entry_names import names_in
from backbone.entry_store import EntryStore, stream_of
from backbone.erased_ids import digest_of_subject, list_erased_of
from common.postgres import Connection


async def count_entries(
    entries: EntryStore, connection: Connection, streams: Sequence[str], user_id: str
) -> dict[str, int]:
    """The entries of these streams that name a user, or a subject that was erased with the user or that
    earlier facts say was theirs, by stream. Facts that tell of an erasure don't count.

    Reads all entries. On Kafka a record counts until its segment is deleted, and those before a tombstone of
    their key too.
    """
    theirs: set[bytes] = set()
    counts: dict[str, int] = {}
    for shelf in await entries.list_shelves(streams):
        stream, after, through = stream_of(shelf), None, await entries.get_end(shelf)
        while True:
            page = await entries.read(shelf, after, through)
            named = [names_in(stream, entry) for entry in page.entries]
            digests = {s: digest_of_subject(s) for names in named for s in names.subjects}
            theirs |= await list_erased_of(connection, digests.values(), user_id)
            for names in named:
                if user_id in names.users or any(digests[s] in theirs for s in names.subjects):
                    counts[stream] = counts.get(stream, 0) + 1
                    if names.subject and stream.endswith(".events"):
                        theirs.add(digest_of_subject(names.subject))
            if page.after is None:
                break
            after = page.after
    return counts
