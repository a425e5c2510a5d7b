"""Messages from before revision 023 are numbered while others write, and none is left out."""

import threading
from uuid import UUID

import psycopg
import pytest

from takaro_schema.run import MigrationFailed, migrate
from takaro_schema.scripts import load
from takaro_schema.settings import MigrationSettings

CHAIN = load()
BEFORE, COLUMNS, INDEX = (CHAIN.until(revision) for revision in ("021", "023", "024"))
MANY = 12_003
"""More than two batches of messages."""

CONVERSE = "INSERT INTO conversations (agent_id, agent_version) VALUES ('a', 'v') RETURNING id"
SAY = "INSERT INTO messages (conversation_id, role, content) VALUES (%s, 'user', %s)"
FILL = """
INSERT INTO messages (conversation_id, role, content, created_at)
SELECT %s, 'user', n::text, CASE WHEN n %% 5 > 0 THEN '2026-01-01'::timestamptz - n %% 7 * interval '1 h' END
FROM generate_series(1, %s) AS n
"""
AS_BEFORE = "SELECT id FROM messages WHERE conversation_id = %s ORDER BY created_at, id"
NUMBERED = "SELECT id, sequence FROM messages WHERE conversation_id = %s ORDER BY sequence"
# The trigger would wait for each row of a conversation in turn.
UNORDERED = "SELECT set_config('takaro.message_order', 'caller', false)"

Connection = psycopg.Connection[tuple[object, ...]]


def _converse(connection: Connection) -> UUID:
    row = connection.execute(CONVERSE).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def _check(connection: Connection, conversation_id: UUID, expected: list[object]) -> None:
    rows = connection.execute(NUMBERED, [conversation_id]).fetchall()
    assert [row[1] for row in rows] == list(range(1, len(expected) + 1))
    assert [row[0] for row in rows] == expected


def _order(connection: Connection, conversation_id: UUID) -> list[object]:
    return [row[0] for row in connection.execute(AS_BEFORE, [conversation_id])]


def test_old_messages_are_numbered_in_the_order_in_which_they_were_read(url: str) -> None:
    migrate(url, chain=BEFORE)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(UNORDERED)
        large, empty = _converse(connection), _converse(connection)
        connection.execute(FILL, [large, MANY])
        small = [_converse(connection) for _ in range(250)]
        for conversation_id in small:
            connection.execute(FILL, [conversation_id, 9])
        connection.execute("UPDATE messages SET created_at = NULL WHERE content::int % 5 = 0")
        before = {one: _order(connection, one) for one in (large, *small)}
        migrate(url)
        for one, expected in before.items():
            _check(connection, one, expected)
        connection.execute("RESET takaro.message_order")
        for one, count in ((large, MANY), (small[0], 9), (empty, 0)):
            connection.execute(SAY, [one, "next"])
            assert _order_of_last(connection, one) == count + 1


def _order_of_last(connection: Connection, conversation_id: UUID) -> object:
    row = connection.execute(
        "SELECT max(sequence) FROM messages WHERE conversation_id = %s", [conversation_id]
    ).fetchone()
    assert row is not None
    return row[0]


def test_messages_that_come_before_the_numbering_are_numbered_too(url: str) -> None:
    """From the Node application, and from chat of the previous release: to old conversations and new ones."""
    migrate(url, chain=BEFORE)
    with psycopg.connect(url, autocommit=True) as connection:
        old = _converse(connection)
        connection.execute(SAY, [old, "1"])
        conversations = [old]
        for chain in (COLUMNS, INDEX):
            migrate(url, chain=chain)
            new = _converse(connection)
            for setting in ("", "caller"):
                connection.execute("SELECT set_config('takaro.message_order', %s, false)", [setting])
                for one in (old, new):
                    for _ in range(2):
                        connection.execute(SAY, [one, "more"])
            conversations.append(new)
        before = {one: _order(connection, one) for one in conversations}
        assert [len(ids) for ids in before.values()] == [9, 4, 4]
        migrate(url)
        for one, expected in before.items():
            _check(connection, one, expected)


def test_writers_go_on_while_messages_are_numbered(url: str) -> None:
    migrate(url, chain=BEFORE)
    stop, written = threading.Event(), [0]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(UNORDERED)
        ids = [_converse(connection) for _ in range(120)]
        for one in ids:
            connection.execute(FILL, [one, 100])

    def write() -> None:
        with psycopg.connect(url, autocommit=True) as writer:
            while not stop.is_set() or written[0] < 50:
                writer.execute(SAY, [ids[written[0] % len(ids)], "live"])
                written[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        migrate(url)
    finally:
        stop.set()
        thread.join()
    with psycopg.connect(url) as connection:
        total = 0
        for one in ids:
            rows = connection.execute(NUMBERED, [one]).fetchall()
            assert [row[1] for row in rows] == list(range(1, len(rows) + 1))
            total += len(rows)
        assert total == 120 * 100 + written[0]


def test_a_numbering_that_was_interrupted_continues_where_it_stopped(url: str) -> None:
    """Somebody holds the last messages: a batch before it is numbered, then a lock isn't granted."""
    migrate(url, chain=BEFORE)
    with psycopg.connect(url, autocommit=True) as connection:
        ids = sorted(_converse(connection) for _ in range(150))
        for one in ids:
            connection.execute(FILL, [one, 3])
        migrate(url, chain=INDEX)
        before = {one: _order(connection, one) for one in ids}
        numbered = "SELECT count(*) FROM conversations WHERE message_sequence IS NOT NULL"
        with psycopg.connect(url) as holder:
            holder.execute("SELECT FROM messages WHERE conversation_id = %s FOR UPDATE", [ids[-1]])
            impatient = MigrationSettings(lock_timeout_seconds=0.1, lock_attempts=1)
            with pytest.raises(MigrationFailed, match="stayed in use"):
                migrate(url, settings=impatient)
        assert connection.execute(numbered).fetchone() == (100,)
        migrate(url)
        assert connection.execute(numbered).fetchone() == (150,)
        for one, expected in before.items():
            _check(connection, one, expected)
