"""Every query of the database document, word for word, on rows as the Node application writes them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from tests.support import database_document

Connection = psycopg.Connection[DictRow]

_TOOL_CALLS = """[{"id": "call_1", "name": "read", "input": {"path": "a.js"},
  "result": {"success": true, "output": "x"}, "durationMs": 3, "startedAt": "2026-11-22T12:00:00Z"}]"""


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def conversation(connection: Connection) -> UUID:
    """A module writer's conversation of three messages, the second with an executed tool; the third long."""
    identity = uuid4()
    connection.execute(
        """INSERT INTO conversations (id, agent_id, agent_version, user_id, title, state)
           VALUES (%s, 'module-writer', 'grok-fast', 'user-1', 'Teleports', %s)""",
        [identity, '{"moduleId": "m-1", "versionId": "v-1", "moduleName": "teleports"}'],
    )
    messages = [("user", "hi", None), ("assistant", "done", _TOOL_CALLS), ("user", "x" * 150, None)]
    for role, content, tool_calls in messages:
        connection.execute(
            """INSERT INTO messages (conversation_id, role, content, tool_calls, token_count, latency_ms)
               VALUES (%s, %s, %s, %s, 12, 340)""",
            [identity, role, content, tool_calls],
        )
    return identity


def test_conversations_with_message_counts(connection: Connection, conversation: UUID) -> None:
    empty = connection.execute(
        """INSERT INTO conversations (agent_id, agent_version, user_id, created_at)
           VALUES ('player-moderator', '1.0.0', 'user-2', now() - interval '1 day') RETURNING id"""
    ).fetchone()
    assert empty is not None
    rows = _run(connection, "List conversations with message counts")
    assert [(row["id"], row["message_count"]) for row in rows] == [(conversation, 3), (empty["id"], 0)]


def test_messages_of_a_conversation(connection: Connection, conversation: UUID) -> None:
    rows = _run(connection, "Find messages by conversation", conversation)
    assert [row["content_preview"] for row in rows] == ["hi", "done", "x" * 100]
    assert [row["has_tool_calls"] for row in rows] == [False, True, False]


def test_tool_executions(connection: Connection, conversation: UUID) -> None:
    (row,) = _run(connection, "View tool executions", conversation)
    assert '"name": "read"' in row["tool_calls"]
    assert (row["role"], row["tool_results"]) == ("assistant", None)
    assert (row["token_count"], row["latency_ms"]) == (12, 340)


def test_conversation_state(connection: Connection, conversation: UUID) -> None:
    connection.execute(
        "INSERT INTO conversations (agent_id, agent_version, user_id) VALUES ('module-writer', '1.0.0', 'u')"
    )
    (row,) = _run(connection, "Check conversation state")
    assert (row["id"], row["module_id"], row["module_name"]) == (conversation, "m-1", "teleports")


def test_custom_agents_overview(connection: Connection) -> None:
    connection.execute(
        """INSERT INTO custom_agents
             (user_id, name, system_prompt, model, temperature, tools, knowledge_bases)
           VALUES ('user-1', 'helper', 'You help.', 'grok', 0.5, '["read", "write"]', '["docs"]')"""
    )
    (row,) = _run(connection, "Custom agents overview")
    assert (row["name"], row["tool_count"], row["kb_count"]) == ("helper", 2, 1)


def test_knowledge_embedding_stats(connection: Connection) -> None:
    vector = f"[{','.join(['0.1'] * 1536)}]"
    for index in range(3):
        connection.execute(
            """INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, embedding, metadata)
               VALUES ('docs', 'latest', 'text', %s, %s)""",
            [vector, f'{{"sourceFile": "a.md", "chunkIndex": {index}, "totalChunks": 3}}'],
        )
    (row,) = _run(connection, "Knowledge embedding stats")
    assert row == {"knowledge_base_id": "docs", "version": "latest", "chunk_count": 3}


def test_every_query_of_the_document_is_tested_here() -> None:
    assert len(database_document.useful_queries()) == 6


def test_deleting_a_conversation_cascades(connection: Connection, conversation: UUID) -> None:
    connection.execute(
        "INSERT INTO cockpit_sessions (conversation_id, user_id) VALUES (%s, 'user-1')", [conversation]
    )
    connection.execute("DELETE FROM conversations WHERE id = %s", [conversation])
    left = connection.execute(
        "SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM cockpit_sessions) AS rows"
    ).fetchone()
    assert left == {"rows": 0}


def _run(connection: Connection, title: str, conversation: UUID | None = None) -> list[dict[str, Any]]:
    # Encoded: the document's text is a query as it stands, with no parameters of ours in it.
    return connection.execute(database_document.query(title, str(conversation)).encode()).fetchall()
