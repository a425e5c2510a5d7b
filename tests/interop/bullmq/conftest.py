"""Node applications with each version of BullMQ that may run beside us, and this project's own side."""

import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from tests.interop.bullmq.sides import (
    VERSIONS,
    Ours,
    Peer,
    Side,
    Version,
    node_application,
    this_project,
)
from tests.support.node import Node


@pytest.fixture(autouse=True)
def abandoned_connections() -> Iterator[None]:
    """BullMQ's Python port leaves the connection of a cancelled blocking read to the garbage collector, which
    would blame whichever test runs then."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(params=VERSIONS, ids=str)
def version(request: pytest.FixtureRequest) -> Version:
    """A version of BullMQ for Node."""
    chosen: Version = request.param
    return chosen


@pytest.fixture
async def peer(node: Node, redis: Redis, redis_url: str, version: Version) -> AsyncIterator[Peer]:
    """A Node application on an empty queue."""
    async with node_application(node, redis_url, version) as peer:
        yield peer


@pytest.fixture
async def ours(redis: Redis, redis_url: str) -> AsyncIterator[Ours]:
    """This project's side on an empty queue."""
    async with this_project(redis_url) as ours:
        yield ours


@dataclass(frozen=True)
class Pair:
    """The side that adds jobs and watches them, and the side that works."""

    producer: Side
    worker: Side
    node_works: bool


@pytest.fixture(params=["node-to-ours", "ours-to-node"])
def pair(request: pytest.FixtureRequest, peer: Peer, ours: Ours) -> Pair:
    """Both ways, with each version of BullMQ for Node."""
    return Pair(peer, ours, False) if request.param == "node-to-ours" else Pair(ours, peer, True)
