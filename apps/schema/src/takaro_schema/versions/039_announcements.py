"""What runtimes announce: the agents that they serve, and the tools that they have.

A row counts until ``expires_at``, by the database's clock; its runtime announces it again before that. An
agent has a row for each version that is announced, and one whose ``experiment`` is empty for a runtime that
serves every version. No index on ``expires_at``: there are few rows, which change all the time.
"""

from alembic import op

revision = "039"
down_revision = "038"
HOLDS = ("chat_announced_agents", "chat_announced_tools")

CREATE_AGENTS = """
    CREATE TABLE chat_announced_agents (
        agent_id varchar(100) NOT NULL,
        experiment varchar(50) NOT NULL,
        position integer NOT NULL,
        model varchar(100) NOT NULL,
        description text NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (agent_id, experiment)
    ) WITH (fillfactor = 50)
"""
CREATE_TOOLS = """
    CREATE TABLE chat_announced_tools (
        name varchar(100) NOT NULL,
        description text NOT NULL,
        parameters jsonb,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (name)
    ) WITH (fillfactor = 50)
"""


def upgrade() -> None:
    op.execute(CREATE_AGENTS)
    op.execute(CREATE_TOOLS)


def downgrade() -> None:
    op.execute("DROP TABLE chat_announced_tools")
    op.execute("DROP TABLE chat_announced_agents")
