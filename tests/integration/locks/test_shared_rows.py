"""Statements that touch many rows, which others touch at the same moment in another order."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from backbone import inbox
from backbone.events import Event
from backbone.handlers import Rejection
from chat.conversations import repository as conversations
from chat.conversations.records import NewConversation
from common.postgres import Connection, Pool, transaction
from knowledge.content.binary_codecs import register_binary
from knowledge.content.cache import repository as cache
from tests.integration.locks.conftest import Deadlocks

Statement = Callable[[Connection, list[Any]], Awaitable[object]]
ROWS, TIMES, WRITERS = 60, 12, 6
IDS = [uuid4() for _ in range(ROWS)]
HASHES = [sha256(str(i).encode()).digest() for i in range(ROWS)]
# Otherwise no embedding is old enough for its use to be recorded.
OLD_FROM_THE_BEGINNING = "ALTER TABLE knowledge_embedding_cache ALTER used_at SET DEFAULT '2000-01-01'"
VECTOR = np.zeros((ROWS, 1536), dtype=np.float32)


def _records(keys: list[UUID]) -> list[inbox.Record]:
    return [(key, Event(str(key), "/tests", "t", b"{}", "chat.commands", "1-1")) for key in keys]


def _news(ids: list[UUID]) -> list[NewConversation]:
    return [NewConversation(id, "module-writer", "grok-fast", "ann") for id in ids]


def _refused(keys: list[UUID]) -> list[Rejection]:
    return [Rejection("invalid", "no") for _ in keys]


async def _delete(connection: Connection, ids: list[UUID]) -> None:
    await conversations.lock_for_deletion(connection, ids)
    await conversations.delete_conversations(connection, ids)


INBOX: list[Statement] = [
    lambda c, keys: inbox.claim(c, "chat", _records(keys)),
    lambda c, keys: inbox.record_rejected(c, "chat", _records(keys), _refused(keys)),
    lambda c, keys: inbox.record_replays(c, "chat", _records(keys)),
    lambda c, keys: inbox.remember(c, "chat", "/takaro/chat", "t", keys),
    lambda c, keys: inbox.forget_rejected(c, "chat", keys),
    lambda c, _: inbox.prune(c, older_than_seconds=0),
]
CACHE: list[Statement] = [
    lambda c, hashes: cache.insert_cached(c, "m", hashes, VECTOR[: len(hashes)]),
    lambda c, hashes: cache.update_cache_used(c, "m", hashes),
    lambda c, _: cache.delete_cached(c, timedelta(0)),
]
CONVERSATIONS: list[Statement] = [
    lambda c, ids: conversations.insert_conversations(c, _news(ids)),
    lambda c, ids: conversations.lock_for_change(c, ids),
    _delete,
]


@pytest.mark.parametrize(
    ("statements", "keys"),
    [
        pytest.param(INBOX, IDS, id="inbox"),
        pytest.param(CACHE, HASHES, id="embedding cache"),
        pytest.param(CONVERSATIONS, IDS, id="conversations"),
    ],
)
async def test_writers_of_the_same_rows_in_any_order_meet_no_deadlock(
    pool: Pool, deadlocks: Deadlocks, statements: list[Statement], keys: list[Any]
) -> None:
    await pool.execute(OLD_FROM_THE_BEGINNING)

    async def write() -> None:
        for _ in range(TIMES):
            async with transaction(pool) as connection:
                await register_binary(connection)
                some = random.sample(keys, len(keys))
                await random.choice(statements)(connection, some)

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    await pool.close()
    assert await deadlocks() == 0
