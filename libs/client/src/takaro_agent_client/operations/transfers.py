"""Whole conversations, as JSON Lines."""

from typing import IO
from uuid import UUID

from takaro_agent_client.calls import JSON_LINES, Call, Lines, in_query, path, reads
from takaro_agent_client.models import Imported
from takaro_agent_client.uploads import Upload


def export_lines(conversation_id: UUID | str, *, state_history: bool | None = None) -> Lines:
    """A conversation with everything that is stored of it, line by line; with ``state_history=False`` without
    the versions that its state had. ``client.lines`` reads it as it comes, and raises if its end is missing.
    """
    where = path("conversations", conversation_id, "export")
    return Lines("chat", where, last=b'{"type":"end"', query=in_query({"stateHistory": state_history}))


def import_file(file: IO[bytes], *, copy: bool | None = None) -> Call[Imported]:
    """Import the exported conversation that ``file`` holds from where it is now, as the caller's: all of it,
    or nothing. A ``copy`` gets new ids.

    The file is sent piece by piece, and must be seekable. Sent again, it is imported once; a copy isn't sent
    again when nobody knows whether it was carried out.
    """
    return Call(
        "chat",
        "POST",
        path("imports"),
        reads(Imported.model_validate),
        query=in_query({"copy": copy}),
        media_type=JSON_LINES,
        repeatable=not copy,
        keyed=False,
        upload=Upload.of(file),
    )
