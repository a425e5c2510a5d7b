"""pgvector may be in a schema of its own, whether or not the role's search path names it."""

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from takaro_schema.run import migrate
from tests.support.services import Service, running
from tests.support.wait import eventually

_ROLE = "tenant"


@pytest.fixture(params=["", "agents"])
def own_schema(request: pytest.FixtureRequest, empty_database: str) -> str:
    """The URL of an empty database whose pgvector is in ``extensions``, for a search path of the database."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA extensions")
        connection.execute("CREATE EXTENSION vector SCHEMA extensions")
        connection.execute("CREATE SCHEMA agents")
        name = sql.Identifier(connection.info.dbname)
        if request.param:
            path = sql.SQL(request.param)
            connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = {}").format(name, path))
    return empty_database


async def test_a_base_is_synced_and_searched(own_schema: str, redis_url: str, tmp_path: Path) -> None:
    migrate(own_schema)
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "teleport.md").write_text("# Teleport\n\nThe teleport command moves a player to coordinates.\n")
    bases = tmp_path / "bases.yaml"
    bases.write_text(f"knowledgeBases:\n  - id: docs\n    name: Docs\n    source: {docs.as_uri()}\n")
    async with (
        running(
            "knowledge",
            database_url=own_schema,
            redis_url=redis_url,
            folder=tmp_path,
            environment={"KNOWLEDGE_BASES_FILE": str(bases)},
        ) as knowledge,
        knowledge.client() as client,
    ):

        async def found() -> bool:
            asked = {"q": "teleport a player"}
            answer = await client.get("/api/knowledge-bases/docs/search", params=asked)
            assert answer.status_code == 200, answer.text
            return "coordinates" in answer.text

        await eventually(found, timeout=60)
        ready = (await client.get("/ready")).json()
    assert ready["checks"]["pgvector"].endswith(" in extensions")


async def test_ready_says_what_a_role_without_access_needs(
    empty_database: str, redis_url: str, tmp_path: Path
) -> None:
    migrate(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA extensions")
        connection.execute("ALTER EXTENSION vector SET SCHEMA extensions")
        connection.execute(f"DROP ROLE IF EXISTS {_ROLE}")
        connection.execute(f"CREATE ROLE {_ROLE} LOGIN PASSWORD 'tenant'")
        connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {_ROLE}")
        url = empty_database.replace("takaro:takaro@", f"{_ROLE}:tenant@")
        knowledge = Service("knowledge", database_url=url, redis_url=redis_url, folder=tmp_path)
        await knowledge.start_unready()
        try:
            async with knowledge.client() as client:

                async def says_what_to_do() -> bool:
                    answer = await client.get("/ready")
                    said = answer.json()["checks"]["pgvector"]
                    return answer.status_code == 503 and "GRANT USAGE ON SCHEMA extensions" in said

                await eventually(says_what_to_do, timeout=60)
                connection.execute(f"GRANT USAGE ON SCHEMA extensions TO {_ROLE}")

                async def is_ready() -> bool:
                    return (await client.get("/ready")).status_code == 200

                await eventually(is_ready, timeout=60)
        finally:
            await knowledge.stop()
            connection.execute(f"DROP OWNED BY {_ROLE}")
            connection.execute(f"DROP ROLE {_ROLE}")
