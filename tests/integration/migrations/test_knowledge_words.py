"""The words of chunks are right at every commit, whoever writes the chunks."""

import threading
from collections.abc import Sequence

import psycopg
import pytest

from takaro_schema.run import MigrationFailed, migrate, rollback
from takaro_schema.scripts import load
from takaro_schema.settings import MigrationSettings

from .conftest import At

CHAIN = load()
TABLE, FILLED = (CHAIN.until(revision) for revision in ("046", "047"))

Connection = psycopg.Connection[tuple[object, ...]]

CHUNKS = """
INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, metadata, embedding)
SELECT %s, 'latest', 'The lever number ' || n || ' is near the door', '{"sourceFile": "docs/levers.md"}',
       array_fill(n::real, ARRAY[1536])::vector
FROM generate_series(1, %s) AS n
"""
DIFFERENCES = """
SELECT count(*) FROM (
    SELECT chunk.id, space.id AS space, spoken.language, chunk.content, chunk.metadata
    FROM knowledge_embeddings AS chunk LEFT JOIN knowledge_spaces AS space
      ON space.knowledge_base_id = chunk.knowledge_base_id AND space.version = chunk.version
    LEFT JOIN knowledge_word_spaces AS spoken ON spoken.space = space.id
) AS chunk FULL JOIN knowledge_words AS stored ON stored.chunk = chunk.id
LEFT JOIN LATERAL knowledge_words_of(chunk.space, chunk.language, chunk.content, chunk.metadata) AS made
  ON true
WHERE (chunk.space, made.keys, made.words) IS DISTINCT FROM (stored.space, stored.keys, stored.words)
"""
"""Chunks without their words, words without their chunk, and those in which anything else differs."""

LEXEMES = """
SELECT array_agg(lexeme ORDER BY lexeme) FROM unnest(to_tsvector('english', knowledge_lexed(%s, %s)))
"""


def _count(connection: Connection, statement: str) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(str(row[0]))


def _is_in_step(connection: Connection, rows: int) -> None:
    assert _count(connection, "SELECT count(*) FROM knowledge_words") == rows
    assert _count(connection, DIFFERENCES) == 0


def _insert(connection: Connection, base: str, text: str, metadata: str = "{}") -> object:
    """As the Node application does."""
    row = connection.execute(
        'insert into "knowledge_embeddings" ("knowledge_base_id", "version", "content", "embedding", '
        '"metadata") values (%s, %s, %s, %s, %s) returning id',
        [base, "latest", text, "[" + ",".join(["0.5"] * 1536) + "]", metadata],
    ).fetchone()
    assert row is not None
    return row[0]


def _language(connection: Connection, base: str) -> object:
    row = connection.execute(
        "SELECT language FROM knowledge_word_spaces JOIN knowledge_spaces ON id = space "
        "WHERE knowledge_base_id = %s",
        [base],
    ).fetchone()
    assert row is not None
    return row[0]


def _lexemes(connection: Connection, text: str, *, asked: bool = False) -> Sequence[str]:
    row = connection.execute(LEXEMES, [text, asked]).fetchone()
    assert row is not None
    found = row[0]
    assert isinstance(found, list)
    return found


def test_every_write_of_chunks_is_followed(ours_at: At) -> None:
    with ours_at("047") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CHUNKS, ["first", 300])
        one = _insert(connection, "second", "Pulleys")
        _is_in_step(connection, 301)
        connection.execute('UPDATE knowledge_embeddings SET metadata = \'{"title": "Ropes"}\'')
        _is_in_step(connection, 301)
        connection.execute("UPDATE knowledge_embeddings SET content = 'Gears' WHERE id = %s", [one])
        _is_in_step(connection, 301)
        connection.execute("UPDATE knowledge_embeddings SET version = '2' WHERE content LIKE '%%number 1%%'")
        _is_in_step(connection, 301)
        connection.execute("UPDATE knowledge_embeddings SET id = gen_random_uuid() WHERE id = %s", [one])
        _is_in_step(connection, 301)
        connection.execute("DELETE FROM knowledge_embeddings WHERE version = '2'")
        _is_in_step(connection, 190)
        for text in ("", "!?", "the of and", "x" * 60_000, "日" * 60_000, "\u0301", "<p>a</p>", "'\\:*&|!"):
            _insert(connection, "odd", text)
        _insert(connection, "odd", " ".join(map(str, range(60_000))))
        _insert(connection, "odd", "".join(chr(0x4E00 + (n * n) % 20_000) for n in range(60_000)))
        _insert(connection, "odd", "x", '{"title": {"a": [1]}, "headings": "b", "sourceFile": [true]}')
        _insert(connection, "odd", "x", "null")
        _is_in_step(connection, 202)
        connection.execute("TRUNCATE knowledge_embeddings")
        _is_in_step(connection, 0)


def test_what_is_rolled_back_leaves_nothing(ours_at: At) -> None:
    with ours_at("047") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CHUNKS, ["kept", 5])
        with connection.transaction(force_rollback=True):
            connection.execute(CHUNKS, ["lost", 5])
            connection.execute("DELETE FROM knowledge_embeddings WHERE knowledge_base_id = 'kept'")
            _is_in_step(connection, 5)
        _is_in_step(connection, 5)
        assert _count(connection, "SELECT count(*) FROM knowledge_word_spaces") == 1


def test_a_writer_without_pgvector_on_its_search_path_is_followed(ours_at: At) -> None:
    with ours_at("047") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT set_config('search_path', '', false)")
        connection.execute(
            "INSERT INTO public.knowledge_embeddings (knowledge_base_id, version, content, embedding) "
            "VALUES ('far', 'latest', 'x', %s)",
            ["[" + ",".join(["0.5"] * 1536) + "]"],
        )
        connection.execute("SET search_path TO public")
        _is_in_step(connection, 1)


def test_two_writers_of_a_new_base_wait_only_for_its_space(ours_at: At) -> None:
    with ours_at("047") as url, psycopg.connect(url) as first, psycopg.connect(url) as second:
        _insert(first, "shared", "The lever is near the door")
        waiting = threading.Thread(target=_insert, args=(second, "shared", "The door is open"))
        waiting.start()
        first.commit()
        waiting.join(20)
        assert not waiting.is_alive()
        _insert(first, "shared", "Both have written and neither has committed")
        second.commit()
        first.commit()
        _is_in_step(first, 3)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Press the green button to begin. If the lever is not in place, nothing happens.", "english"),
        ("Drücken Sie die grüne Taste, um zu beginnen. Wenn der Hebel nicht da ist, geht nichts.", "german"),
        ("Cliquez sur le bouton vert pour démarrer. Si le levier n'est pas là, rien ne se passe.", "french"),
        ("Нажмите зелёную кнопку, чтобы начать. Если рычаг не на месте, ничего не будет.", "russian"),
        ("اضغط على الزر الأخضر للبدء. إذا لم تكن الرافعة في مكانها فلن يحدث شيء", "arabic"),
        ("緑のボタンを押して開始します。", "simple"),
        ("Apasă butonul verde", "simple"),
        ("", "simple"),
    ],
)
def test_a_space_has_the_language_of_its_chunks(ours_at: At, text: str, language: str) -> None:
    with ours_at("047") as url, psycopg.connect(url, autocommit=True) as connection:
        _insert(connection, "any", text)
        assert _language(connection, "any") == language
        _is_in_step(connection, 1)


def test_a_language_that_was_chosen_too_early_is_corrected(ours_at: At) -> None:
    with ours_at("047") as url, psycopg.connect(url, autocommit=True) as connection:
        _insert(connection, "mixed", "The one page that nobody has translated so far")
        assert _language(connection, "mixed") == "english"
        connection.execute(
            "INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, embedding) "
            "SELECT 'mixed', 'latest', 'Der Hebel mit der Nummer ' || n || ' ist an der Tür', "
            "array_fill(1, ARRAY[1536])::vector FROM generate_series(1, 20) AS n"
        )
        assert _language(connection, "mixed") == "german"
        _is_in_step(connection, 21)


def test_frequent_words_are_counted(ours_at: At) -> None:
    with ours_at("047") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CHUNKS, ["a", 200])
        connection.execute(CHUNKS, ["b", 50])
        counted = (
            "SELECT chunks FROM knowledge_word_counts WHERE space = {space} "
            "AND key = knowledge_word_key({space}, knowledge_word_number('lever'))"
        )
        spaces = [row[0] for row in connection.execute("SELECT id FROM knowledge_spaces ORDER BY id")]
        assert [_count(connection, counted.format(space=space)) for space in spaces] == [200, 50]
        connection.execute(CHUNKS, ["a", 100])
        assert _count(connection, counted.format(space=spaces[0])) == 300
        connection.execute("DELETE FROM knowledge_embeddings WHERE knowledge_base_id = 'b'")
        connection.execute("DELETE FROM knowledge_spaces WHERE knowledge_base_id = 'b'")
        for table in ("knowledge_word_counts", "knowledge_word_spaces"):
            assert _count(connection, f"SELECT count(DISTINCT space) FROM {table}") == 1


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("create_pool()", "createPool"),
        ("asyncio.create_task", "create task"),
        ("class HTTPServerError", "http server error"),
        ("docs/getting-started/install.md", "getting started"),
        ("well-known", "wellknown"),
        ("since version v3.12.1", "3.12.1"),
        ("written in C++ and c#", "C++"),
        ("<button>Save</button>", "button"),
        ("https://example.com/a/levers?page=2", "levers"),
        ("ＡＢＣ ﾃﾞｰﾀ", "abc データ"),  # noqa: RUF001
        ("データベース検索", "検索"),
        ("全文搜索引擎", "搜索"),
        ("데이터베이스를 연다", "데이터베이스"),
        ("ค้นหาข้อความ", "ข้อความ"),
        ("水", "水"),
        ("水道水", "水"),
        ("naïve don’t", "don't naïve"),  # noqa: RUF001
    ],
)
def test_words_are_found_as_people_type_them(ours_at: At, text: str, asked: str) -> None:
    with ours_at("045") as url, psycopg.connect(url, autocommit=True) as connection:
        assert set(_lexemes(connection, asked, asked=True)) & set(_lexemes(connection, text))


def test_a_question_in_a_script_without_spaces_asks_for_pairs_alone(ours_at: At) -> None:
    with ours_at("045") as url, psycopg.connect(url, autocommit=True) as connection:
        assert _lexemes(connection, "日本語検索、水", asked=True) == ["日本", "本語", "検索", "水", "語検"]
        assert _lexemes(connection, "日本語") == ["日", "日本", "本", "本語", "語"]


def test_chunks_from_before_are_added_while_others_write(ours_at: At) -> None:
    with ours_at("044") as url, psycopg.connect(url, autocommit=True) as connection:
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
        assert _count(connection, "SELECT count(*) FROM knowledge_word_spaces WHERE language = 'english'") > 2


def _write(url: str, stop: threading.Event, base: str) -> None:
    """Inserts, changes and deletes rows of ``base``; every third transaction is rolled back."""
    with psycopg.connect(url) as connection:
        number = 0
        while not stop.is_set():
            number += 1
            _insert(connection, base, f"The lever number {number} is new")
            some = (
                "(SELECT id FROM knowledge_embeddings WHERE knowledge_base_id = %s ORDER BY random() LIMIT 9)"
            )
            connection.execute(f"DELETE FROM knowledge_embeddings WHERE id IN {some}", [base])
            connection.execute(
                f"UPDATE knowledge_embeddings SET content = %s WHERE id IN {some}",
                [f"The changed lever number {number}", base],
            )
            (connection.rollback if number % 3 == 0 else connection.commit)()


def test_an_interrupted_fill_goes_on_where_it_stopped(ours_at: At) -> None:
    """A row that stays locked ends it; the other rows are there by then, and aren't written again."""
    with ours_at("046") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE knowledge_embeddings DISABLE TRIGGER USER")
        connection.execute(CHUNKS, ["a", 50])
        connection.execute("ALTER TABLE knowledge_embeddings ENABLE TRIGGER USER")
        settings = MigrationSettings(lock_timeout_seconds=0.2, lock_attempts=1)
        with psycopg.connect(url) as busy:
            busy.execute("DELETE FROM knowledge_embeddings WHERE content LIKE '% 7 %'")
            with pytest.raises(MigrationFailed, match="stayed in use"):
                migrate(url, chain=FILLED, settings=settings)
            before = connection.execute("SELECT chunk, xmin::text FROM knowledge_words").fetchall()
            assert len(before) == 49
            busy.rollback()
        migrate(url, chain=FILLED, settings=settings)
        _is_in_step(connection, 50)
        after = connection.execute("SELECT chunk, xmin::text FROM knowledge_words").fetchall()
        assert set(before) < set(after)


def test_taking_it_back_needs_no_force_and_leaves_the_chunks(ours_at: At) -> None:
    with ours_at("044") as url, psycopg.connect(url, autocommit=True) as connection:
        migrate(url, chain=FILLED)
        connection.execute(CHUNKS, ["a", 5])
        assert rollback(url) == ["047", "046", "045"]
        _insert(connection, "a", "text")
        assert _count(connection, "SELECT count(*) FROM knowledge_embeddings") == 6
        migrate(url, chain=FILLED)
        _is_in_step(connection, 6)
