"""An import of what is stored already: a client that lost the answer sends its file again."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import IO, Any

from chat.transfers.exporting import export_conversation
from chat.transfers.line_reading import parsed, read_lines, rewind
from chat.transfers.lines import ConversationLine
from chat.transfers.records import Imported, ImportLimits
from common import codec
from common.errors import Conflict, Forbidden, NotFound
from common.postgres import Pool


async def find_same(pool: Pool, user_id: str, file: IO[bytes], limits: ImportLimits) -> Imported | None:
    """The user's conversation, if it is exported as ``file`` has it. A file of an older format, or one
    without the versions of the state, is compared in what it has."""
    await rewind(file)
    [line] = await read_lines(file, limits.line_bytes, most=1)
    first = parsed(ConversationLine, line, 1)
    following = await read_lines(file, limits.line_bytes, most=1)
    history = bool(following) and (_normal(following[0]) or {}).get("type") == "stateVersion"
    await rewind(file)
    stored = export_conversation(pool, user_id, first.id, limits.states, state_history=history)
    messages = 0
    try:
        async with aclosing(stored):
            lines = _lines_of(stored)
            while given := await read_lines(file, limits.line_bytes):
                for line in given:
                    other = await anext(lines, b"")
                    if line != other and not _is_same(line, other):
                        return None
                    messages += other.startswith(b'{"type":"message"')
            if await anext(lines, None) is not None:
                return None
    except (NotFound, Forbidden, Conflict):
        return None
    return Imported(first.id, messages)


async def _lines_of(stored: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async for piece in stored:
        for line in piece.removesuffix(b"\n").split(b"\n"):
            yield line + b"\n"


def _is_same(line: bytes, other: bytes) -> bool:
    one = _normal(line)
    return one is not None and one == _normal(other)


def _normal(line: bytes) -> dict[str, Any] | None:
    """A line without what an import ignores: the format, and whose it is. ``None`` if it is no line."""
    try:
        read = codec.loads(line)
    except ValueError:
        return None
    if not isinstance(read, dict):
        return None
    ignored = {"format", "userId"}
    kept = {name: value for name, value in read.items() if name not in ignored}
    if isinstance(kept.get("feedback"), dict):
        kept["feedback"] = {name: value for name, value in kept["feedback"].items() if name not in ignored}
    return kept
