"""What a turn has shown and what its messages say: neither is without the other when the turn has ended."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from chat.messages import repository
from chat.messages.records import Incomplete, NewMessage
from chat.messages.repository import FEW_MESSAGES
from chat.turns import piece_repository
from chat.turns.records import PieceRow, Turn
from common import codec, trace_context
from common.postgres import Connection, Overtaken
from contracts.chat import MAX_CONTENT, MAX_PIECE_TEXT

MOST_MESSAGES = 1_000
"""Of one turn, at its early end."""


@dataclass(slots=True)
class _Draft:
    """A message as far as it was shown."""

    texts: list[str] = field(default_factory=list)
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, piece: dict[str, Any]) -> None:
        if piece["type"] == "text":
            self.texts.append(piece["content"])
            return
        execution = self.executions.setdefault(piece["id"], {"id": piece["id"], "name": piece["name"]})
        execution.update({name: piece[name] for name in ("input", "result", "durationMs") if name in piece})


async def append_shown(connection: Connection, turn: Turn, state: Incomplete) -> None:
    """Append what a turn has shown, and whose messages its runtime hasn't appended, as messages of the
    assistant that are marked ``state``. The turn still holds its conversation, which is locked.

    Raises :class:`Overtaken` if another transaction stored a message with one of the ids meanwhile.
    """
    drafts: dict[UUID, _Draft] = {}
    for encoded in await piece_repository.list_all_pieces(connection, turn.id):
        for piece in codec.loads(encoded):
            drafts.setdefault(_message_of(piece, turn.id), _Draft()).add(piece)
    if not drafts:
        return
    stored = await repository.list_conversations_of(connection, list(drafts))
    new: list[NewMessage] = []
    left = {id: draft for id, draft in drafts.items() if stored.get(id) != turn.conversation_id}
    for message_id, draft in _few(left).items():
        # The id may be that of a message in another conversation.
        first = message_id if message_id not in stored else uuid5(turn.id, str(message_id))
        new.extend(_messages_of(turn, first, draft, state))
    if not new:
        return
    insert = repository.insert_few_messages if len(new) <= FEW_MESSAGES else repository.insert_messages
    try:
        placed = await insert(connection, new)
    except asyncpg.DivisionByZeroError:
        placed = {}
    if len(placed) < len(new):
        raise Overtaken("another transaction stored one of these messages meanwhile")
    await repository.mark_incomplete(connection, [message.id for message in new], state)


def _few(drafts: dict[UUID, _Draft]) -> dict[UUID, _Draft]:
    """The drafts, or the first :data:`MOST_MESSAGES` of them, the last of which goes on with all others: a
    turn that names a new message in each of its pieces must be ended too."""
    few = dict(islice(drafts.items(), MOST_MESSAGES))
    for draft in islice(drafts.values(), MOST_MESSAGES, None):
        last = next(reversed(few.values()))
        last.texts += draft.texts
        last.executions |= draft.executions
    return few


def _messages_of(turn: Turn, first: UUID, draft: _Draft, state: Incomplete) -> list[NewMessage]:
    """Almost always one: a content that is too long for one message goes on in the next."""
    content = "".join(draft.texts)
    parts = [content[start : start + MAX_CONTENT] for start in range(0, len(content) or 1, MAX_CONTENT)]
    trace = trace_context.current()
    return [
        NewMessage(
            first if place == 0 else uuid5(first, str(place)),
            turn.conversation_id,
            "assistant",
            part,
            list(draft.executions.values()) or None if place == 0 else None,
            trace=trace,
            turn_sha256=turn.token_sha256,
            incomplete=state,
        )
        for place, part in enumerate(parts)
    ]


def shown_by(turn_id: UUID, messages: Sequence[NewMessage]) -> PieceRow | None:
    """What a turn that has shown nothing shows: what the assistant says in the messages with which it ends,
    so that those who follow it see it. None if that is nothing."""
    pieces: list[dict[str, Any]] = []
    for message in messages:
        if message.role != "assistant":
            continue
        for start in range(0, len(message.content), MAX_PIECE_TEXT):
            text = message.content[start : start + MAX_PIECE_TEXT]
            number = len(pieces) + 1
            pieces.append({"number": number, "messageId": message.id, "type": "text", "content": text})
    return PieceRow(turn_id, 1, len(pieces), codec.dumps_str(pieces)) if pieces else None


async def show_messages(connection: Connection, turn: Turn, messages: Sequence[NewMessage]) -> None:
    """Let a turn that has shown nothing show its last messages, as :func:`shown_by` says."""
    if row := shown_by(turn.id, messages):
        # A turn that has shown something has a row that begins with its first piece: this one isn't stored.
        await piece_repository.insert_pieces(connection, [row], [len(row.pieces.encode())])


async def forget_shown(connection: Connection, conversation_id: UUID, message_id: UUID) -> None:
    """Forget what a redacted message says where it was shown: in the turn that runs, and all that earlier
    turns have shown, because pieces needn't name their message. The conversation is locked."""
    await piece_repository.delete_pieces_of_ended(connection, conversation_id)
    for row in await piece_repository.list_pieces_of_held(connection, conversation_id):
        pieces = codec.loads(row.pieces)
        told = [piece for piece in pieces if _message_of(piece, row.turn_id) == message_id]
        for piece in told:
            piece.update({name: empty for name, empty in _EMPTY.items() if name in piece})
        if told:
            await piece_repository.update_pieces(connection, row.turn_id, row.first, codec.dumps_str(pieces))


_EMPTY: dict[str, Any] = {"content": "", "input": {}, "result": {"success": True}}


def _message_of(piece: dict[str, Any], turn_id: UUID) -> UUID:
    return UUID(piece["messageId"]) if "messageId" in piece else turn_id
