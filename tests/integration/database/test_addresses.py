"""An address with libpq's parameters serves migrations, services and the command line alike."""

import asyncio

import asyncpg
import pytest
from typer.testing import CliRunner

from common.notifications import Notifications
from common.postgres import create_pool
from takaro_operator.connections import open_database
from takaro_operator.errors import Failure
from takaro_operator.settings import OperatorSettings
from takaro_schema.run import status
from tests.integration.migrations.test_command_line import app
from tests.support.probe import ProbeSettings
from tests.support.servers import free_port
from tests.support.wait import eventually

_SESSION = "SELECT current_setting('default_transaction_isolation'), current_setting('statement_timeout')"


@pytest.mark.parametrize(
    "query",
    [
        "connect_timeout=7",
        "sslmode=prefer&channel_binding=prefer&gssencmode=prefer",
        "sslmode=disable",
        "application_name=mine&fallback_application_name=other",
        "options=-c%20work_mem%3D8MB",
        "keepalives=1&keepalives_idle=30&tcp_user_timeout=5000",
        "target_session_attrs=read-write",
        "client_encoding=UTF8&load_balance_hosts=disable",
    ],
)
async def test_every_reader_of_the_address_connects(database: str, query: str) -> None:
    url = f"{database}?{query}"
    assert not status(url).pending
    settings = ProbeSettings(database_url=url, auth_mode="dev")
    async with await create_pool(settings) as pool:
        row = await pool.fetchrow(_SESSION)
        assert row is not None
        assert tuple(row) == ("read committed", "30s")
    async with open_database(OperatorSettings(DATABASE_URL=url)) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    notifications = Notifications(settings)
    listening = asyncio.create_task(notifications.run())
    try:
        await eventually(lambda: notifications._connection)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_host_that_does_not_answer_is_passed_over(database: str) -> None:
    url = database.replace("@", f"@127.0.0.1:{free_port()},", 1)
    assert not status(url).pending
    async with await create_pool(ProbeSettings(database_url=url, auth_mode="dev")) as pool:
        assert await pool.fetchval("SELECT 1") == 1


async def test_without_any_host_the_last_error_is_told() -> None:
    url = f"postgresql://ann:secret@127.0.0.1:{free_port()},127.0.0.1:{free_port()}/agents"
    async with await create_pool(ProbeSettings(database_url=url, auth_mode="dev")) as pool:
        with pytest.raises(OSError, match="Connect"):
            await pool.fetchval("SELECT 1")
    with pytest.raises(Failure, match=r"can't connect to Postgres at 127\.0\.0\.1") as failed:
        async with open_database(OperatorSettings(DATABASE_URL=url)):
            pass
    assert "secret" not in str(failed.value)


async def test_services_still_say_whose_connection_it_is(database: str) -> None:
    name = "SELECT current_setting('application_name')"
    for url, expected in ((database, "takaro-probe"), (f"{database}?application_name=mine", "mine")):
        async with await create_pool(ProbeSettings(database_url=url, auth_mode="dev")) as pool:
            assert await pool.fetchval(name) == expected


@pytest.mark.parametrize("given", ["option", "environment"])
def test_commands_refuse_an_address_that_cannot_be_kept_in_one_line(given: str) -> None:
    url = "postgresql://ann:secret@one/agents?channel_binding=require"
    arguments = ["schema", *(["--database-url", url] if given == "option" else [])]
    environment = {"DATABASE_URL": url} if given == "environment" else {}
    result = CliRunner().invoke(app, arguments, env=environment)
    assert result.exit_code == 2
    assert "channel_binding=require" in result.output
    assert "prefer" in result.output
    assert "secret" not in result.output
    assert "Traceback" not in result.output


def test_asyncpg_still_binds_no_channel() -> None:
    """Once it does, ``channel_binding=require`` needn't be refused."""
    with pytest.raises(TypeError, match="channel_binding"):
        asyncpg.connect(channel_binding="require")  # type: ignore[call-overload]
