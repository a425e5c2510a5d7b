"""Every SQL constant of the services, the backbone and the command line fits the migrated schema."""

from collections.abc import AsyncIterator
from importlib import import_module

import asyncpg
import pytest
import pytest_asyncio

from common.postgres import Connection, prepare_connection
from tests.conftest import _database as make_database
from tests.support.product_code import WITH_SQL, modules
from tests.support.servers import PostgresServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connection(postgres_server: PostgresServer, template_database: str) -> AsyncIterator[Connection]:
    """A connection to a migrated database. All tests share it, since nothing is run."""
    databases = make_database(postgres_server, template_database)
    connection = await asyncpg.connect(next(databases))
    await prepare_connection(connection)
    yield connection
    await connection.close()
    next(databases, None)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("folder", WITH_SQL)
async def test_the_statements_prepare(connection: Connection, folder: str) -> None:
    refused = {}
    for module in modules(folder):
        for name in sorted(module.statements()):
            try:
                await connection.prepare(getattr(import_module(module.name), name))
            except asyncpg.PostgresError as error:
                refused[f"{module.name}.{name}"] = str(error)
    assert not refused


def test_every_service_and_the_backbone_have_statements() -> None:
    owners = {module.name.partition(".")[0] for module in modules(*WITH_SQL) if module.statements()}
    assert owners >= {"backbone", "common", "chat", "cockpit", "knowledge"}
