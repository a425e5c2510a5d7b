"""The Node application continues to write as before, after every revision from 010 on."""

import json

import psycopg
import pytest

from takaro_schema.run import migrate
from takaro_schema.scripts import load

from .conftest import At, KnexDatabase

CHAIN = load()
SINCE_010 = [revision for revision in CHAIN.ids if revision >= "010"]
TOOL_CALLS = json.dumps(
    [
        {
            "id": "call-1",
            "name": "searchDocs",
            "input": {"query": "hooks"},
            "result": {"success": True, "output": "found"},
            "durationMs": 12,
            "startedAt": "2026-11-22T12:00:00.000Z",
        }
    ]
)
VECTOR = "[" + ",".join(["0.5"] * 1536) + "]"


def _write_as_node(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """The statements that knex sends, column lists included; ids and times are left to the defaults."""
    row = connection.execute(
        'insert into "conversations" ("agent_id", "agent_version", "user_id", "provider", "state") '
        "values (%s, %s, %s, %s, %s) returning *",
        ["module-writer", "grok-fast", "user-1", "openrouter", "{}"],
    ).fetchone()
    assert row is not None
    conversation = row[0]
    connection.execute(
        'insert into "messages" ("conversation_id", "role", "content") values (%s, %s, %s)',
        [conversation, "user", "Write a module"],
    )
    connection.execute(
        'insert into "messages" ("conversation_id", "role", "content", "tool_calls", "token_count", '
        '"latency_ms") values (%s, %s, %s, %s, %s, %s)',
        [conversation, "assistant", "Done", TOOL_CALLS, 42, 1200],
    )
    connection.execute(
        'update "conversations" set "state" = %s, "updated_at" = CURRENT_TIMESTAMP where "id" = %s',
        [json.dumps({"moduleId": "m", "versionId": "v", "moduleName": "n"}), conversation],
    )
    for _ in range(2):
        connection.execute(
            'insert into "knowledge_embeddings" '
            '("knowledge_base_id", "version", "content", "embedding", "metadata") '
            "values (%s, %s, %s, %s, %s)",
            [
                "takaro-docs",
                "latest",
                "text",
                VECTOR,
                '{"sourceFile": "a.md", "chunkIndex": 0, "totalChunks": 1}',
            ],
        )
        connection.execute(
            'insert into "knowledge_sync_state" ("knowledge_base_id", "last_commit_sha", "last_synced_at") '
            'values (%s, %s, CURRENT_TIMESTAMP) on conflict ("knowledge_base_id") do update set '
            '"last_commit_sha" = excluded."last_commit_sha", "last_synced_at" = excluded."last_synced_at"',
            ["takaro-docs", "a" * 40],
        )
    connection.execute(
        'insert into "custom_agents" ("user_id", "name", "description", "system_prompt", "tools", '
        '"knowledge_bases", "model", "temperature", "max_tokens") '
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        ["user-1", "Helper", None, "Help", '["searchDocs"]', '["takaro-docs"]', "grok", 0.7, 8192],
    )
    connection.execute(
        'insert into "cockpit_sessions" ("conversation_id", "user_id", "mock_server_status") '
        "values (%s, %s, %s)",
        [conversation, "user-1", "stopped"],
    )
    connection.execute(
        'update "cockpit_sessions" set "mock_server_status" = %s, "mock_server_game_server_id" = %s, '
        '"selected_player_id" = %s where "conversation_id" = %s',
        ["running", "gs-1", "p-1", conversation],
    )


_COUNTS = """
SELECT (SELECT count(*) FROM conversations), (SELECT count(*) FROM messages WHERE created_at IS NOT NULL),
       (SELECT count(*) FROM knowledge_embeddings), (SELECT count(*) FROM knowledge_sync_state),
       (SELECT count(*) FROM custom_agents), (SELECT count(*) FROM cockpit_sessions)
"""


def _check(url: str, *, before: int) -> None:
    with psycopg.connect(url) as connection:
        _write_as_node(connection)
        connection.commit()
        assert connection.execute(_COUNTS).fetchone() == (before + 1, before + 2, 2, 1, 1, 1)
        order = connection.execute(
            "SELECT role FROM messages WHERE content <> 'hello' ORDER BY created_at, role"
        ).fetchall()
        assert {role for (role,) in order} == {"user", "assistant"}
        # Its deletes cascade as before, too.
        connection.execute('delete from "conversations" where "user_id" = %s', ["user-1"])
        connection.commit()
        assert connection.execute(_COUNTS).fetchone() == (0, 0, 2, 1, 1, 0)


@pytest.mark.parametrize("revision", SINCE_010)
def test_node_writes_on_a_database_that_we_made(ours_at: At, revision: str) -> None:
    with ours_at(revision) as url:
        _check(url, before=0)


@pytest.mark.parametrize("revision", SINCE_010)
def test_node_writes_on_a_database_that_knex_made(knex_database: KnexDatabase, revision: str) -> None:
    url = knex_database()
    migrate(url, chain=CHAIN.until(revision))

    _check(url, before=1)
