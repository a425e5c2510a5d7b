"""Words are written beside other writers, by roles of their own, and whatever the text is."""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from .conftest import At
from .test_knowledge_words import Connection, _count, _insert, _is_in_step, _language

SOME = """
INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, embedding)
SELECT 'shared', 'latest', %s || ' ' || n, array_fill(1, ARRAY[1536])::vector FROM generate_series(1, %s) AS n
"""
ENGLISH = "The dog and the cat are not in the house with the number"
GERMAN = "Der Hund und die Katze sind nicht in dem Haus mit der Nummer"

LEARNT_FROM = "SELECT learnt_from FROM knowledge_word_spaces"


@contextmanager
def _two_writers(ours_at: At) -> Iterator[tuple[Connection, Connection]]:
    """Of a base with five English chunks. Who waits for the other one fails."""
    with ours_at("047") as url, psycopg.connect(url) as first, psycopg.connect(url) as second:
        for connection in (first, second):
            connection.execute("SET lock_timeout = '2s'")
            connection.commit()
        first.execute(SOME, [ENGLISH, 5])
        first.commit()
        assert _language(first, "shared") == "english"
        first.commit()
        yield first, second


@pytest.mark.parametrize("kept", [True, False])
def test_another_language_waits_for_a_writer_that_deletes_first(ours_at: At, kept: bool) -> None:
    with _two_writers(ours_at) as (first, second):
        first.execute("DELETE FROM knowledge_embeddings WHERE content LIKE '%% 1' OR content LIKE '%% 2'")
        second.execute(SOME, [GERMAN, 60])
        _insert(first, "shared", ENGLISH)
        second.commit()
        (first.commit if kept else first.rollback)()
        _is_in_step(first, 64 if kept else 65)
        assert _language(first, "shared") == "english"
        first.execute(SOME, [GERMAN, 20])
        assert _language(first, "shared") == "german"
        _is_in_step(first, 84 if kept else 85)


def test_another_language_waits_for_a_writer_that_adds(ours_at: At) -> None:
    with _two_writers(ours_at) as (first, second):
        _insert(first, "shared", ENGLISH)
        second.execute(SOME, [GERMAN, 60])
        second.commit()
        first.commit()
        _is_in_step(first, 66)
        first.execute(SOME, [GERMAN, 20])
        assert _language(first, "shared") == "german"
        _is_in_step(first, 86)


def test_a_base_that_grows_in_its_language_lets_others_write(ours_at: At) -> None:
    with _two_writers(ours_at) as (first, second):
        first.execute(SOME, [ENGLISH, 60])
        assert _count(first, LEARNT_FROM) == 65
        _insert(second, "shared", ENGLISH)
        second.execute('UPDATE knowledge_embeddings SET metadata = \'{"title": "Dogs"}\'')
        second.commit()
        first.commit()
        _is_in_step(first, 66)


def test_the_documented_rights_are_enough_for_another_writer(ours_at: At) -> None:
    """Those of docs/migrations.md."""
    writer = sql.Identifier(f"writer_{uuid4().hex}")
    with ours_at("049") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(writer))
        try:
            connection.execute(
                sql.SQL(
                    "GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge_embeddings, knowledge_spaces, "
                    "knowledge_vectors, knowledge_words, knowledge_word_spaces, knowledge_word_counts TO {}"
                ).format(writer)
            )
            connection.execute(
                sql.SQL(
                    "GRANT TRUNCATE ON knowledge_embeddings, knowledge_vectors, knowledge_words, "
                    "knowledge_word_spaces, knowledge_word_counts TO {}"
                ).format(writer)
            )
            connection.execute(sql.SQL("SET ROLE {}").format(writer))
            connection.execute(SOME, [ENGLISH, 5])
            connection.execute(SOME, [GERMAN, 60])
            assert _language(connection, "shared") == "german"
            connection.execute('UPDATE knowledge_embeddings SET metadata = \'{"title": "Dogs"}\'')
            _is_in_step(connection, 65)
            connection.execute("DELETE FROM knowledge_embeddings WHERE content LIKE '%% 1'")
            _is_in_step(connection, 63)
            connection.execute("TRUNCATE knowledge_embeddings")
            _is_in_step(connection, 0)
        finally:
            connection.execute("RESET ROLE")
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(writer))


def _lexed(connection: Connection, text: str) -> str:
    row = connection.execute("SELECT knowledge_lexed(%s, true)", [text]).fetchone()
    assert row is not None
    return str(row[0]).rstrip()


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0651\u064b", "\u0301\u09bc"])
def test_a_run_of_marks_is_put_in_order_in_pieces(ours_at: At, marks: str) -> None:
    """In one piece, all marks of a kind would stand together, and sorting them takes its square's time."""
    with ours_at("045") as url, psycopg.connect(url, autocommit=True) as connection:
        lexed = _lexed(connection, "a" + marks * (40_000 // len(marks)))
    one = max(set(lexed), key=lexed.count)
    assert lexed.count(one) > 15_000
    assert one * 251 not in lexed


@pytest.mark.parametrize(
    "text",
    [
        "cafe\u0301 ole\u0301 " * 300,
        "nhu\u031b\u0303ng ngu\u031bo\u031b\u0300i " * 200,
        "ﬁ ＡＢＣ " * 300,  # noqa: RUF001
        "データヘ\u3099ースを検索する" * 100,
        "한국어" * 200,
        "Нажмите зелёную кнопку, чтобы начать. " * 50,
        "ค้นหาข้อความน้ำ" * 60,
        "हिन्दी में लिखा हुआ पाठ " * 50,
        "中" * 600 + "e\u0301",
    ],
)
def test_words_are_composed_in_texts_of_any_length(ours_at: At, text: str) -> None:
    with ours_at("045") as url, psycopg.connect(url, autocommit=True) as connection:
        assert _lexed(connection, text) == _lexed(connection, unicodedata.normalize("NFKC", text))
        assert "\u0301" not in _lexed(connection, text)
