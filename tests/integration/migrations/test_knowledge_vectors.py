"""The second copy of the chunks' vectors is right at every commit, whoever writes the chunks."""

import threading

import psycopg
import pytest

from takaro_schema.run import MigrationFailed, migrate, rollback
from takaro_schema.scripts import load
from takaro_schema.settings import MigrationSettings

from .conftest import At

CHAIN = load()
TABLE, FILLED = (CHAIN.until(revision) for revision in ("043", "044"))

Connection = psycopg.Connection[tuple[object, ...]]

CHUNKS = """
INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, embedding)
SELECT %s, 'latest', n::text, array_fill((n %% 90)::real + 1, ARRAY[1536])::vector
FROM generate_series(1, %s) AS n
"""
DIFFERENCES = """
SELECT count(*) FROM (
    SELECT id, knowledge_base_id::text AS base, version::text,
           l2_normalize(embedding)::halfvec(1536) AS vector
    FROM knowledge_embeddings
) AS chunk FULL JOIN (
    SELECT chunk, knowledge_base_id::text, version::text, embedding
    FROM knowledge_vectors LEFT JOIN knowledge_spaces ON id = space
) AS copy (id, base, version, vector) USING (id)
WHERE (chunk.base, chunk.version, chunk.vector) IS DISTINCT FROM (copy.base, copy.version, copy.vector)
"""
"""Chunks without their vector, vectors without their chunk, and those in which anything else differs."""


def _count(connection: Connection, statement: str) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(str(row[0]))


def _is_in_step(connection: Connection, rows: int) -> None:
    assert _count(connection, "SELECT count(*) FROM knowledge_vectors") == rows
    assert _count(connection, DIFFERENCES) == 0


def _node_text(value: float) -> str:
    return "[" + ",".join([str(value)] * 1535 + ["1"]) + "]"


def _insert_as_node(connection: Connection, base: str, value: float = 0.25) -> object:
    row = connection.execute(
        'insert into "knowledge_embeddings" ("knowledge_base_id", "version", "content", "embedding", '
        '"metadata") values (%s, %s, %s, %s, %s) returning id',
        [base, "latest", "text", _node_text(value), "{}"],
    ).fetchone()
    assert row is not None
    return row[0]


def test_every_write_of_chunks_is_followed(ours_at: At) -> None:
    with ours_at("044") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CHUNKS, ["first", 300])
        one = _insert_as_node(connection, "second")
        _is_in_step(connection, 301)
        connection.execute("UPDATE knowledge_embeddings SET metadata = '{\"a\": 1}'")
        _is_in_step(connection, 301)
        connection.execute(
            "UPDATE knowledge_embeddings SET embedding = %s WHERE id = %s", [_node_text(3), one]
        )
        _is_in_step(connection, 301)
        connection.execute(
            "UPDATE knowledge_embeddings SET version = '2' WHERE content < '4' AND id <> %s", [one]
        )
        _is_in_step(connection, 301)
        connection.execute("UPDATE knowledge_embeddings SET id = gen_random_uuid() WHERE id = %s", [one])
        _is_in_step(connection, 301)
        connection.execute("DELETE FROM knowledge_embeddings WHERE version = '2'")
        _is_in_step(connection, 67)
        with connection.cursor().copy(
            "COPY knowledge_embeddings (knowledge_base_id, version, content, embedding) FROM STDIN"
        ) as copy:
            for base in ("third", "first", "fourth"):
                copy.write_row((base, "latest", "text", _node_text(0.5)))
        _is_in_step(connection, 70)
        connection.execute("TRUNCATE knowledge_embeddings")
        _is_in_step(connection, 0)


def test_statements_without_rows_end(ours_at: At) -> None:
    with ours_at("044") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CHUNKS, ["first", 0])
        connection.execute("UPDATE knowledge_embeddings SET content = ''")
        connection.execute("DELETE FROM knowledge_embeddings")
        _is_in_step(connection, 0)


@pytest.mark.parametrize("embedding", ["[0" + ",0" * 1535 + "]", "[9e30" + ",1e-30" * 1535 + "]"])
def test_a_vector_that_half_precision_cannot_hold_is_no_error(ours_at: At, embedding: str) -> None:
    with ours_at("044") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, embedding) "
            "VALUES ('odd', 'latest', 'x', %s)",
            [embedding],
        )
        _is_in_step(connection, 1)


def test_what_is_rolled_back_leaves_nothing(ours_at: At) -> None:
    with ours_at("044") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CHUNKS, ["kept", 5])
        with connection.transaction(force_rollback=True):
            connection.execute(CHUNKS, ["lost", 5])
            connection.execute("DELETE FROM knowledge_embeddings WHERE knowledge_base_id = 'kept'")
            _is_in_step(connection, 5)
        _is_in_step(connection, 5)
        assert _count(connection, "SELECT count(*) FROM knowledge_spaces") == 1


def test_a_writer_without_pgvector_on_its_search_path_is_followed(ours_at: At) -> None:
    with ours_at("044") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT set_config('search_path', '', false)")
        connection.execute(
            "INSERT INTO public.knowledge_embeddings (knowledge_base_id, version, content, embedding) "
            "VALUES ('far', 'latest', 'x', %s)",
            [_node_text(0.5)],
        )
        connection.execute("SET search_path TO public")
        _is_in_step(connection, 1)


def test_two_writers_open_the_same_space(ours_at: At) -> None:
    with ours_at("044") as url, psycopg.connect(url) as first, psycopg.connect(url) as second:
        _insert_as_node(first, "shared")
        waiting = threading.Thread(target=_insert_as_node, args=(second, "shared"))
        waiting.start()
        first.commit()
        waiting.join(20)
        assert not waiting.is_alive()
        second.commit()
        _is_in_step(first, 2)
        assert _count(first, "SELECT count(*) FROM knowledge_spaces") == 1


def test_a_space_that_is_deleted_while_a_writer_waits_is_opened_again(ours_at: At) -> None:
    with ours_at("044") as url, psycopg.connect(url) as cleaner, psycopg.connect(url) as writer:
        cleaner.execute(
            "INSERT INTO knowledge_spaces (knowledge_base_id, version) VALUES ('empty', 'latest')"
        )
        cleaner.commit()
        cleaner.execute("DELETE FROM knowledge_spaces")
        waiting = threading.Thread(target=_insert_as_node, args=(writer, "empty"))
        waiting.start()
        with psycopg.connect(url, autocommit=True) as looking:
            _wait_for(looking, "SELECT count(*) FROM pg_locks WHERE NOT granted", 1)
        cleaner.commit()
        waiting.join(20)
        assert not waiting.is_alive()
        writer.commit()
        _is_in_step(cleaner, 1)


def _wait_for(connection: Connection, statement: str, count: int) -> None:
    for _ in range(2000):
        if _count(connection, statement) == count:
            return
        connection.execute("SELECT pg_sleep(0.01)")
    raise AssertionError(f"{statement}: never {count}")


def test_chunks_from_before_are_added_while_others_write(ours_at: At) -> None:
    with ours_at("042") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP INDEX knowledge_embeddings_embedding_idx")  # or inserting takes a minute
        for base in ("a", "b", "c"):
            connection.execute(CHUNKS, [base, 2_000])
        migrate(url, chain=TABLE)
        stop = threading.Event()
        writers = [threading.Thread(target=_write, args=(url, stop, base)) for base in ("a", "b", "new")]
        for writer in writers:
            writer.start()
        migrate(url, chain=FILLED)
        stop.set()
        for writer in writers:
            writer.join(60)
        rows = _count(connection, "SELECT count(*) FROM knowledge_embeddings")
        assert rows > 5_000
        _is_in_step(connection, rows)


def _write(url: str, stop: threading.Event, base: str) -> None:
    """Inserts, changes and deletes rows of ``base``; every third transaction is rolled back."""
    with psycopg.connect(url) as connection:
        number = 0
        while not stop.is_set():
            number += 1
            _insert_as_node(connection, base, number)
            some = (
                "(SELECT id FROM knowledge_embeddings WHERE knowledge_base_id = %s ORDER BY random() LIMIT 9)"
            )
            connection.execute(f"DELETE FROM knowledge_embeddings WHERE id IN {some}", [base])
            connection.execute(
                f"UPDATE knowledge_embeddings SET embedding = %s WHERE id IN {some}",
                [_node_text(number + 0.5), base],
            )
            connection.execute(
                f"UPDATE knowledge_embeddings SET version = %s WHERE id IN {some}", [f"v{number % 3}", base]
            )
            (connection.rollback if number % 3 == 0 else connection.commit)()


def test_an_interrupted_fill_goes_on_where_it_stopped(ours_at: At) -> None:
    """A row that stays locked ends it; the other rows are there by then, and aren't written again."""
    with ours_at("043") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE knowledge_embeddings DISABLE TRIGGER USER")
        connection.execute(CHUNKS, ["a", 50])
        connection.execute("ALTER TABLE knowledge_embeddings ENABLE TRIGGER USER")
        settings = MigrationSettings(lock_timeout_seconds=0.2, lock_attempts=1)
        with psycopg.connect(url) as busy:
            busy.execute("DELETE FROM knowledge_embeddings WHERE content = '7'")
            with pytest.raises(MigrationFailed, match="stayed in use"):
                migrate(url, chain=FILLED, settings=settings)
            before = connection.execute("SELECT chunk, xmin::text FROM knowledge_vectors").fetchall()
            assert len(before) == 49
            busy.rollback()
        migrate(url, chain=FILLED, settings=settings)
        _is_in_step(connection, 50)
        after = connection.execute("SELECT chunk, xmin::text FROM knowledge_vectors").fetchall()
        assert set(before) < set(after)


def test_taking_it_back_needs_no_force_and_leaves_the_chunks(ours_at: At) -> None:
    with ours_at("042") as url, psycopg.connect(url, autocommit=True) as connection:
        migrate(url, chain=FILLED)
        connection.execute(CHUNKS, ["a", 5])
        assert rollback(url) == ["044", "043"]
        _insert_as_node(connection, "a")
        assert _count(connection, "SELECT count(*) FROM knowledge_embeddings") == 6
        migrate(url, chain=FILLED)
        _is_in_step(connection, 6)
