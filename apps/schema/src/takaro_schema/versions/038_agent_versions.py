"""The versions of custom agents.

``custom_agents`` holds each agent's newest version, and its number. What it was before, and what a deleted
agent was last, is in ``chat_agent_versions``. A trigger puts it there, so every writer's changes are kept,
the Node application's too. No rows have to be filled in: agents begin at version 1 with what they are now.

A conversation names the version that it goes on with in ``agent_version``, which was ``1`` for each custom
agent until now: so the conversations that there are go on with version 1. Who doesn't know of versions still
writes ``1``; for them a second trigger names the newest one. Chat of this release names the version that it
means, and says so with ``takaro.agent_version = 'named'``.
"""

from alembic import op

revision = "038"
down_revision = "037"
HOLDS = ("chat_agent_versions", "custom_agents.version", "custom_agents.version_created_at")

ADD_VERSION = """
    ALTER TABLE custom_agents
        ADD COLUMN version integer NOT NULL DEFAULT 1,
        ADD COLUMN version_created_at timestamptz
"""
# A statement of its own, so that it holds for new rows only: nobody knows when the others were changed.
ADD_TIME = "ALTER TABLE custom_agents ALTER COLUMN version_created_at SET DEFAULT CURRENT_TIMESTAMP"

CREATE_TABLE = """
    CREATE TABLE chat_agent_versions (
        agent_id uuid NOT NULL,
        version integer NOT NULL,
        user_id varchar(255) NOT NULL,
        name varchar(100) NOT NULL,
        description text,
        system_prompt text NOT NULL,
        tools jsonb NOT NULL,
        knowledge_bases jsonb NOT NULL,
        model varchar(100) NOT NULL,
        temperature numeric(3,2),
        max_tokens integer,
        created_at timestamptz,
        replaced_at timestamptz NOT NULL,
        PRIMARY KEY (agent_id, version)
    )
"""
CREATE_INDEX = "CREATE INDEX chat_agent_versions_user_id_index ON chat_agent_versions (user_id)"

# An id that comes again (a restored row) goes on after the versions that are kept of it.
KEEP_VERSION = """
    CREATE FUNCTION custom_agents_keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        changed_at timestamptz := clock_timestamp();
    BEGIN
        IF TG_OP = 'INSERT' THEN
            NEW.version := greatest(NEW.version, (
                SELECT max(v.version) + 1 FROM chat_agent_versions AS v WHERE v.agent_id = NEW.id
            ));
            RETURN NEW;
        END IF;
        IF TG_OP = 'UPDATE' AND (
            NEW.name, NEW.description, NEW.system_prompt, NEW.tools, NEW.knowledge_bases, NEW.model,
            NEW.temperature, NEW.max_tokens
        ) IS NOT DISTINCT FROM (
            OLD.name, OLD.description, OLD.system_prompt, OLD.tools, OLD.knowledge_bases, OLD.model,
            OLD.temperature, OLD.max_tokens
        ) THEN
            NEW.version := OLD.version;
            NEW.version_created_at := coalesce(OLD.version_created_at, OLD.updated_at, OLD.created_at);
            RETURN NEW;
        END IF;
        INSERT INTO chat_agent_versions (
            agent_id, version, user_id, name, description, system_prompt, tools, knowledge_bases, model,
            temperature, max_tokens, created_at, replaced_at
        ) VALUES (
            OLD.id, OLD.version, OLD.user_id, OLD.name, OLD.description, OLD.system_prompt, OLD.tools,
            OLD.knowledge_bases, OLD.model, OLD.temperature, OLD.max_tokens,
            coalesce(OLD.version_created_at, OLD.updated_at, OLD.created_at), changed_at
        );
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        NEW.version := OLD.version + 1;
        NEW.version_created_at := changed_at;
        RETURN NEW;
    END
    $$
"""
CREATE_TRIGGER = """
    CREATE TRIGGER custom_agents_versions BEFORE INSERT OR UPDATE OR DELETE ON custom_agents
    FOR EACH ROW EXECUTE FUNCTION custom_agents_keep_version()
"""

NAME_VERSION = """
    CREATE FUNCTION conversations_name_agent_version() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.agent_version := coalesce((
            SELECT CAST(a.version AS text) FROM custom_agents AS a
            WHERE a.id = CAST(substr(NEW.agent_id, 8) AS uuid)
        ), NEW.agent_version);
        RETURN NEW;
    END
    $$
"""
NAME_TRIGGER = """
    CREATE TRIGGER conversations_agent_version BEFORE INSERT ON conversations
    FOR EACH ROW WHEN (
        NEW.agent_id LIKE 'custom:%' AND NEW.agent_version = '1'
        AND NEW.agent_id ~* '^custom:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        AND current_setting('takaro.agent_version', true) IS DISTINCT FROM 'named'
    )
    EXECUTE FUNCTION conversations_name_agent_version()
"""


def upgrade() -> None:
    for statement in (ADD_VERSION, ADD_TIME, CREATE_TABLE, CREATE_INDEX, KEEP_VERSION, CREATE_TRIGGER):
        op.execute(statement)
    op.execute(NAME_VERSION)
    op.execute(NAME_TRIGGER)


def downgrade() -> None:
    """Conversations keep the number of their version; no service of before reads it."""
    op.execute("DROP TRIGGER conversations_agent_version ON conversations")
    op.execute("DROP FUNCTION conversations_name_agent_version()")
    op.execute("DROP TRIGGER custom_agents_versions ON custom_agents")
    op.execute("DROP FUNCTION custom_agents_keep_version()")
    op.execute("DROP TABLE chat_agent_versions")
    op.execute("ALTER TABLE custom_agents DROP COLUMN version_created_at, DROP COLUMN version")
