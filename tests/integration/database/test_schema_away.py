"""A statement that fails is an outage only while the schema isn't what the service needs."""

import asyncpg
import pytest

from common.errors import SchemaAway, is_transient
from common.postgres import create_pool, transaction
from tests.support.probe import ProbeSettings

_TYPO = "SELECT * FROM mesages"


def _settings(url: str) -> ProbeSettings:
    return ProbeSettings(database_url=url, auth_mode="dev")


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (_TYPO, asyncpg.UndefinedTableError),
        ("SELECT no_such_column FROM leases", asyncpg.UndefinedColumnError),
        ("SELECT no_such_function()", asyncpg.UndefinedFunctionError),
        ("SELECT 1 / 0", asyncpg.DivisionByZeroError),
    ],
)
async def test_a_wrong_statement_on_the_schema_that_is_needed_stays_an_error(
    database: str, statement: str, error: type[Exception]
) -> None:
    """Otherwise a typo would wait for ever."""
    async with await create_pool(_settings(database), required_revision="021") as pool:
        with pytest.raises(error) as raised:
            await pool.fetchval(statement)
        assert not is_transient(raised.value)
        with pytest.raises(error):
            async with transaction(pool) as connection:
                await connection.execute(statement)


@pytest.mark.parametrize("required", ["001", "999"])
async def test_a_schema_that_is_not_what_is_needed_is_an_outage(
    empty_database: str, database: str, required: str
) -> None:
    url = empty_database if required == "001" else database
    async with await create_pool(_settings(url), required_revision=required) as pool:
        with pytest.raises(SchemaAway, match="run `takaro migrate`") as raised:
            await pool.fetchval(_TYPO)
        assert is_transient(raised.value)
        with pytest.raises(SchemaAway):
            async with transaction(pool) as connection:
                await connection.execute(_TYPO)


async def test_what_a_connection_remembers_of_a_schema_before_is_an_outage_once(database: str) -> None:
    async with await create_pool(_settings(database), required_revision="021") as pool:
        await pool.execute("CREATE TABLE remembered (id int)")
        read = "SELECT * FROM remembered"
        async with transaction(pool) as connection:
            await connection.fetch(read)
        async with asyncpg.create_pool(database, min_size=1, max_size=1) as other:
            await other.execute("ALTER TABLE remembered ADD COLUMN name text")
        with pytest.raises(SchemaAway):
            async with transaction(pool) as connection:
                await connection.fetch(read)
        async with transaction(pool) as connection:
            assert await connection.fetch(read) == []
