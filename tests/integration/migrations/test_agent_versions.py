"""Agents and conversations of before revision 038 have version 1, and stay when it is taken back."""

import psycopg

from takaro_schema.run import migrate, rollback
from takaro_schema.scripts import load

BEFORE = load().until("037")
CREATE = """
INSERT INTO custom_agents (user_id, name, system_prompt, model, created_at, updated_at)
VALUES ('ann', %s, 'as it was', 'm', '2026-01-01', '2026-02-01') RETURNING id
"""
CONVERSE = "INSERT INTO conversations (agent_id, agent_version, user_id) VALUES (%s, '1', 'ann') RETURNING id"
CHANGE = "UPDATE custom_agents SET system_prompt = 'changed' WHERE id = %s"
VERSIONS = """
SELECT version, system_prompt, created_at = '2026-02-01' FROM chat_agent_versions WHERE agent_id = %s
"""
AGENT = "SELECT * FROM custom_agents WHERE id = %s"


def test_what_was_there_goes_on_with_version_1(url: str) -> None:
    migrate(url, chain=BEFORE)
    with psycopg.connect(url, autocommit=True) as connection:
        [changed], [same] = [connection.execute(CREATE, [name]).fetchone() or [None] for name in "ab"]
        connection.execute(CONVERSE, [f"custom:{changed}"])
        before = connection.execute(AGENT, [same]).fetchone()
        migrate(url)
        connection.execute(CHANGE, [changed])
        assert connection.execute(VERSIONS, [changed]).fetchall() == [(1, "as it was", True)]
        pinned = connection.execute("SELECT agent_version FROM conversations").fetchall()
        assert pinned == [("1",)], "as the agent was when versions came"
        rollback(url, force=True)
        assert connection.execute(AGENT, [same]).fetchone() == before
        assert connection.execute("SELECT count(*) FROM conversations").fetchone() == (1,)
