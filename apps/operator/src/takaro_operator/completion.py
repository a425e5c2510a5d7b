"""What the shell completes: streams, event types and the ids of knowledge bases."""

import asyncio
from collections.abc import Iterable

import typer

from backbone.dead_letters import dead_stream
from takaro_operator.entries import CONTRACTS, KNOWN_STREAMS
from takaro_operator.errors import Failure
from takaro_operator.knowledge_http import KnowledgeClient

PATIENCE_SECONDS = 1.0
"""How long a shell waits for the ids of bases: nobody presses Tab to wait for a service that is down."""


def complete_stream(incomplete: str) -> list[str]:
    """Streams that we have contracts for."""
    return _beginning(KNOWN_STREAMS, incomplete)


def complete_dead_stream(incomplete: str) -> list[str]:
    """Streams that entries die of, and those that hold their dead letters."""
    return _beginning([*KNOWN_STREAMS, *map(dead_stream, KNOWN_STREAMS)], incomplete)


def complete_type(ctx: typer.Context, incomplete: str) -> list[str]:
    """Event types; after a stream, those of that stream."""
    stream = ctx.params.get("stream")
    homes = [CONTRACTS[stream]] if stream in CONTRACTS else CONTRACTS.values()
    return _beginning([name for home in homes for name in home], incomplete)


def complete_base(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the bases that the caller sees: ``--user``, if it stands before, or TAKARO_TOKEN. None if the
    service doesn't answer at once."""

    async def ids() -> list[str]:
        async with asyncio.timeout(PATIENCE_SECONDS), KnowledgeClient(ctx.params.get("user")) as client:
            return [base["id"] for base in await client.call("GET")]

    try:
        return _beginning(asyncio.run(ids()), incomplete)
    except (Failure, TimeoutError):
        return []


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
