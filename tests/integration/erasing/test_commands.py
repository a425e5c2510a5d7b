"""Commands that were published before their user was erased, and come after it: from a backlog, from a Kafka
topic, or replayed from a copy."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from backbone import erased_ids, erasures
from backbone.batch import BatchTransaction
from backbone.events import PUBLISHED, RawEntry
from backbone.validation import validate
from chat.app import create_command_router
from chat.settings import ChatSettings
from common.postgres import Pool, transaction

CREATE, APPEND = "chat.conversation.create.v1", "chat.message.append.v1"
ERASED = uuid4()
"""A conversation that Ann had."""


@pytest.fixture
async def batch(database: str, pool: Pool) -> BatchTransaction:
    """Of chat, after an erasure of Ann."""
    async with transaction(pool) as connection:
        erasure = await erasures.request(connection, "ann")
        await erased_ids.insert_subjects(connection, erasure, [str(ERASED)])
    settings = ChatSettings(auth_mode="dev", database_url=database)
    return BatchTransaction(pool, create_command_router(settings), "chat.events")


def at(minutes: int) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def entry(
    type_: str, data: Mapping[str, Any] | bytes, *, added: datetime, said: datetime | None = None
) -> RawEntry:
    fields = {b"id": str(uuid4()).encode(), b"type": type_.encode()}
    fields[b"data"] = data if isinstance(data, bytes) else orjson.dumps(data)
    if said is not None:
        fields[b"time"] = said.isoformat().encode()
    return f"{added.timestamp() * 1000:.0f}-0", fields


def of_kafka(raw: RawEntry) -> RawEntry:
    """The same from a topic, where the record has the time that the entry's id has."""
    return "chat.commands-0-7", {**raw[1], PUBLISHED: raw[0].removesuffix("-0").encode()}


async def apply(batch: BatchTransaction, *entries: RawEntry) -> dict[int, str]:
    router = batch._router
    rejected = await batch.apply(validate(router, "chat.commands", entries), None)
    return {i: rejection.code for i, rejection in rejected.items()}


async def count(pool: Pool) -> tuple[int, int, int]:
    """Conversations, records of the inbox, and facts."""
    row = await pool.fetchrow(
        "SELECT (SELECT count(*) FROM conversations), (SELECT count(*) FROM inbox), "
        "(SELECT count(*) FROM outbox)"
    )
    assert row is not None
    return row[0], row[1], row[2]


def creation(user: str) -> dict[str, Any]:
    return {"agentId": "module-writer", "userId": user}


SAID = {"role": "user", "content": "secret"}
OLD = [
    pytest.param(entry(CREATE, creation("ann"), added=at(-5)), id="a command"),
    pytest.param(entry(CREATE, creation("ann"), added=at(5), said=at(-5)), id="replayed from a copy"),
    pytest.param(of_kafka(entry(CREATE, creation("ann"), added=at(-5))), id="a record"),
    pytest.param(entry(CREATE, {"userId": "ann", "title": 5}, added=at(-5)), id="an invalid one"),
    pytest.param(entry(CREATE, b'{"userId": "ann", "title": "secr', added=at(-5)), id="an unreadable one"),
    pytest.param(entry("chat.new.v9", {"userId": "ann"}, added=at(-5)), id="of an unknown type"),
    pytest.param(entry(APPEND, {"conversationId": str(ERASED), **SAID}, added=at(5)), id="without a time"),
    pytest.param(
        entry(APPEND, {"conversationId": str(ERASED).upper(), **SAID}, added=at(-5), said=at(-5)),
        id="about an erased conversation",
    ),
]


@pytest.mark.parametrize("old", OLD)
async def test_what_was_published_before_the_erasure_is_dropped_without_a_trace(
    batch: BatchTransaction, pool: Pool, old: RawEntry
) -> None:
    assert await apply(batch, old) == {}
    assert await count(pool) == (0, 0, 0)


async def test_a_new_account_of_the_same_id_works_and_others_always_do(
    batch: BatchTransaction, pool: Pool
) -> None:
    new = uuid4()
    rejected = await apply(
        batch,
        entry(CREATE, creation("ann"), added=at(-5)),
        entry(CREATE, creation("ann") | {"id": str(new)}, added=at(5), said=at(5)),
        entry(APPEND, {"conversationId": str(new), **SAID}, added=at(5)),
        entry(CREATE, creation("bob"), added=at(-5), said=at(-5)),
        entry(APPEND, {"conversationId": str(uuid4()), **SAID}, added=at(-5)),
        entry(APPEND, {"conversationId": str(ERASED), **SAID}, added=at(5), said=at(5)),
    )
    assert rejected == {4: "conversation_not_found", 5: "conversation_not_found"}
    owners = await pool.fetch("SELECT id, user_id FROM conversations ORDER BY user_id")
    assert [(row["user_id"], row["id"] == new) for row in owners] == [("ann", True), ("bob", False)]
    assert await pool.fetchval("SELECT count(*) FROM messages WHERE conversation_id = $1", new) == 1


async def test_a_conversation_that_is_created_again_is_not_erased_any_more(
    batch: BatchTransaction, pool: Pool
) -> None:
    await pool.execute("INSERT INTO retired_subjects (subject, sequence) VALUES ($1, 7)", str(ERASED))
    again = entry(CREATE, creation("ann") | {"id": str(ERASED)}, added=at(5), said=at(5))
    assert await apply(batch, again) == {}
    assert await apply(batch, entry(APPEND, {"conversationId": str(ERASED), **SAID}, added=at(6))) == {}
    assert await pool.fetchval("SELECT conversation_id FROM messages") == UUID(str(ERASED))
