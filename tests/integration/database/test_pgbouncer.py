"""Behind PgBouncer itself: services work in session mode, and are refused where a session isn't kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from redis.asyncio import Redis

from common.refusals import SHARED_SESSIONS, Refused, check_sessions
from takaro_schema.errors import MigrationRefused
from takaro_schema.run import migrate, status
from tests.support.pgbouncer import PgBouncer, needed
from tests.support.services import Service, running
from tests.support.wait import eventually


@pytest.fixture(params=["transaction", "statement"])
def sharing(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> Iterator[PgBouncer]:
    """A PgBouncer that gives a session to others."""
    needed()
    pooler = PgBouncer(tmp_path / "pgbouncer", database, request.param)
    pooler.start()
    yield pooler
    pooler.stop()


@pytest.fixture
def keeping(tmp_path: Path, empty_database: str) -> Iterator[PgBouncer]:
    """A PgBouncer in session mode, before an empty database."""
    needed()
    pooler = PgBouncer(tmp_path / "pgbouncer", empty_database, "session")
    pooler.start()
    yield pooler
    pooler.stop()


async def test_migrations_commands_and_facts_work_through_session_mode(
    keeping: PgBouncer, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    migrate(keeping.url)
    place = {"database_url": keeping.url, "redis_url": redis_url, "folder": tmp_path}
    async with running("chat", **place) as chat, chat.client() as client:  # type: ignore[arg-type]
        created = await client.post("/api/conversations", json={"agentId": "module-writer"})
        assert created.is_success, created.text
        conversation = created.json()["data"]["id"]
        message = {"conversationId": conversation, "role": "user", "content": "hi"}
        await redis.xadd("chat.commands", {"type": "chat.message.append.v1", "data": json.dumps(message)})

        async def told() -> bool:
            entries: Any = await redis.xrange("chat.events")
            return any(fields["type"] == "chat.message.appended.v1" for _, fields in entries)

        await eventually(told, timeout=60)
        with psycopg.connect(keeping.url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'takaro-chat%' "
                "AND datname = current_database()"
            ).fetchone()
    assert row is not None
    assert row[0] >= 1, "the names of the services reach Postgres through the pooler"


async def test_a_pooler_that_shares_sessions_is_refused_at_start_in_one_line(
    sharing: PgBouncer, redis_url: str, tmp_path: Path
) -> None:
    chat = Service("chat", database_url=sharing.url, redis_url=redis_url, folder=tmp_path)
    chat.launch()

    await eventually(lambda: chat.exit_code is not None, timeout=60)
    assert chat.exit_code == 2
    assert chat.log_file.read_text().splitlines() == [f"chat: {SHARED_SESSIONS}"]


async def test_migrations_refuse_it_too(sharing: PgBouncer) -> None:
    with pytest.raises(MigrationRefused, match="pool_mode = session"):
        status(sharing.url)


@pytest.mark.parametrize("options", [{}, {"server_round_robin": "1"}, {"default_pool_size": "1"}])
@pytest.mark.parametrize("busy", [0, 3])
async def test_sharing_is_found_however_the_pooler_chooses_its_backends(
    database: str, tmp_path: Path, options: dict[str, str], busy: int
) -> None:
    needed()
    pooler = PgBouncer(tmp_path / f"pgbouncer-{uuid4().hex[:8]}", database, "transaction", **options)
    pooler.start()
    others = [psycopg.connect(pooler.url, autocommit=True) for _ in range(busy)]
    try:
        for other in others:
            other.execute("SELECT 1")
        with pytest.raises(Refused):
            await check_sessions(pooler.url)
    finally:
        for other in others:
            other.close()
        pooler.stop()


async def test_ready_says_no_where_a_pooler_begins_to_share_sessions(
    keeping: PgBouncer, redis_url: str, tmp_path: Path
) -> None:
    """It didn't answer at the start, so the service couldn't be refused."""
    migrate(keeping.url)
    keeping.stop()
    chat = Service("chat", database_url=keeping.url, redis_url=redis_url, folder=tmp_path)
    await chat.start_unready()
    try:
        async with chat.client() as client:
            keeping._pool_mode = "transaction"
            keeping.start()

            async def says_why() -> bool:
                answer = await client.get("/ready")
                assert answer.status_code == 503
                return bool(answer.json()["checks"]["database"] == SHARED_SESSIONS)

            await eventually(says_why, timeout=60)
    finally:
        await chat.stop()


async def test_a_parameter_that_the_pooler_refuses_is_told_in_one_line(
    keeping: PgBouncer, redis_url: str, tmp_path: Path
) -> None:
    url = f"{keeping.url}?options=-c%20work_mem%3D8MB"
    chat = Service("chat", database_url=url, redis_url=redis_url, folder=tmp_path)
    chat.launch()
    try:
        await eventually(lambda: chat.exit_code is not None, timeout=60)
    finally:
        await chat.kill()
    assert chat.exit_code == 2
    assert chat.log_file.read_text() == "chat: DATABASE_URL: unsupported startup parameter: options\n"
