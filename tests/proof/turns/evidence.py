"""What turns left, read straight from Postgres and Redis; and chat's evidence without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from contracts.chat import COMMANDS_STREAM, AppendMessage, ChatCommandRejected, PatchState, ShowPiece
from tests.proof.chat.evidence import ChatEvidence
from tests.proof.findings import FactSeen
from tests.proof.streams import facts_of, published
from tests.proof.turns.runtime import AGENT

REJECTED = ChatCommandRejected.type
KEPT = frozenset({"messageId", "turnId", "role", "content", "state", "code"})

_LIST_CONVERSATIONS = "SELECT id, event_sequence FROM conversations WHERE agent_id = $1"
_LIST_TURNS = """
SELECT id, conversation_id, state, through_sequence FROM chat_turns WHERE conversation_id = ANY($1::uuid[])
ORDER BY conversation_id, number
"""
_LIST_MESSAGES = """
SELECT id, conversation_id, role, content, sequence, incomplete FROM messages
WHERE conversation_id = ANY($1::uuid[]) ORDER BY conversation_id, sequence
"""


@dataclass(slots=True, frozen=True)
class TurnRow:
    """A turn; ``through`` is the sequence of the last message that it answers."""

    id: str
    conversation: UUID
    state: str
    through: int


@dataclass(slots=True, frozen=True)
class MessageRow:
    """A message. A user's content begins with its marker; a runtime's with its turn, and its number there.
    ``incomplete`` is how its turn ended before it was complete."""

    id: str
    conversation: UUID
    role: str
    content: str
    sequence: int
    incomplete: str | None = None


@dataclass(slots=True, frozen=True)
class TurnsEvidence:
    """``sequences``: the last that each conversation assigned. ``commands``: the id of each command that a
    runtime sent, with its turn. ``settled``: whether every turn ended, and none was left to go on."""

    turns: Sequence[TurnRow]
    messages: Sequence[MessageRow]
    facts: Sequence[FactSeen]
    sequences: Mapping[UUID, int]
    commands: Mapping[str, str]
    settled: bool = True


async def collect_turns(database_url: str, redis: Redis, *, settled: bool) -> TurnsEvidence:
    """Read everything. ``redis`` answers in text."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(_LIST_CONVERSATIONS, AGENT)
        sequences = {row["id"]: row["event_sequence"] for row in rows}
        turns = await connection.fetch(_LIST_TURNS, list(sequences))
        messages = await connection.fetch(_LIST_MESSAGES, list(sequences))
    finally:
        await connection.close()
    subjects = {str(conversation) for conversation in sequences}
    commands: dict[str, str] = {}
    for type_ in (AppendMessage.type, PatchState.type):
        for id_, data in await published(redis, COMMANDS_STREAM, type_):
            if "turnToken" in data:
                commands[id_] = data["patch"]["turn"] if "patch" in data else data["content"].split()[0]
    for id_, data in await published(redis, "chat.turns", ShowPiece.type):
        commands[id_] = data["turnId"]
    facts = await facts_of(redis, "chat", KEPT)
    return TurnsEvidence(
        turns=[TurnRow(str(r["id"]), r["conversation_id"], r["state"], r["through_sequence"]) for r in turns],
        messages=[
            MessageRow(
                str(r["id"]), r["conversation_id"], r["role"], r["content"], r["sequence"], r["incomplete"]
            )
            for r in messages
        ],
        facts=[fact for fact in facts if fact.subject in subjects or _is_refusal(fact, commands)],
        sequences=sequences,
        commands=commands,
        settled=settled,
    )


def without_turns(chat: ChatEvidence, turns: TurnsEvidence) -> ChatEvidence:
    """What chat left in conversations whose agent nobody serves."""
    subjects = {str(conversation) for conversation in turns.sequences}
    return replace(
        chat,
        rows=[row for row in chat.rows if row.conversation not in turns.sequences],
        sequences={id_: last for id_, last in chat.sequences.items() if id_ not in turns.sequences},
        facts=[
            fact
            for fact in chat.facts
            if fact.subject not in subjects and not _is_refusal(fact, turns.commands)
        ],
        left=replace(
            chat.left, dead=[letter for letter in chat.left.dead if letter.get("id") not in turns.commands]
        ),
    )


def _is_refusal(fact: FactSeen, commands: Mapping[str, str]) -> bool:
    return fact.type == REJECTED and fact.subject.removeprefix("command/") in commands
