"""Cockpit processes that connect to a server that plays Takaro."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from common.postgres import Pool
from takaro_connector_suite.takaro import Game, Takaro, play_takaro
from tests.integration.cockpit.conftest import ENVIRONMENT, FORGET, Cockpit, Converse, open_cockpit
from tests.support.services import Service, running
from tests.support.wait import eventually

TOKEN = "registration-token-of-the-tests"
IDENTITY = "cockpit-ann"

Start: TypeAlias = Callable[..., Awaitable[Service]]


@pytest.fixture
async def takaro() -> AsyncIterator[Takaro]:
    async with play_takaro() as playing:
        playing.token = TOKEN
        yield playing


@pytest.fixture
async def start(
    takaro: Takaro, pool: Pool, package_database: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[Start]:
    """Starts a cockpit that connects, by its instance's name."""
    await pool.execute(FORGET)
    async with AsyncExitStack() as stack:

        async def one(instance: str = "connecting-1", **environment: str) -> Service:
            return await stack.enter_async_context(
                running(
                    "cockpit",
                    database_url=package_database,
                    redis_url=redis_url,
                    folder=tmp_path,
                    instance=instance,
                    environment={
                        **ENVIRONMENT,
                        "TAKARO_CONNECT_URL": takaro.url,
                        "TAKARO_REGISTRATION_TOKEN": TOKEN,
                        "TAKARO_RECONNECT_SECONDS": "0.1",
                        **environment,
                    },
                )
            )

        yield one


@asynccontextmanager
async def user_of(service: Service, converse: Converse, user: str = "ann") -> AsyncIterator[Cockpit]:
    async with service.client(user) as client:
        yield await open_cockpit(client, await converse(user))


async def is_status(cockpit: Cockpit, status: str) -> Any:
    """The status, once it is this one."""

    async def look() -> Any:
        now = await cockpit.status()
        assert now["status"] == status, now
        return now

    return await eventually(look, timeout=30)


async def connected(takaro: Takaro, cockpit: Cockpit, identity: str = IDENTITY) -> Game:
    """Start the server, and wait until Takaro knows it."""
    await cockpit.start()
    await is_status(cockpit, "running")
    return takaro.open_games(identity)[0]
