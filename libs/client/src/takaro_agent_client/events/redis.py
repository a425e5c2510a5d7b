"""Commands and facts on Redis Streams (the extra ``redis``), sync and async."""

from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any

import redis
import redis.asyncio

from takaro_agent_client.events.envelope import Fact, Outgoing
from takaro_agent_client.events.reading import Command, Commands, Expected, GroupReader, PositionReader

Reader = GroupReader | PositionReader


def publish(client: "redis.Redis", commands: Sequence[Outgoing]) -> list[str]:
    """Append commands, all or none, in this order. Returns the ids of their entries."""
    pipeline = client.pipeline(transaction=True)
    for command in commands:
        fields: Any = command.fields
        pipeline.xadd(command.stream, fields)
    return [_text(entry) for entry in pipeline.execute()]


async def publish_async(client: "redis.asyncio.Redis", commands: Sequence[Outgoing]) -> list[str]:
    """As :func:`publish`."""
    pipeline = client.pipeline(transaction=True)
    for command in commands:
        fields: Any = command.fields
        pipeline.xadd(command.stream, fields)
    return [_text(entry) for entry in await pipeline.execute()]


def follow(client: "redis.Redis", reader: Reader) -> Generator[Fact | None, None, None]:
    """Facts as they come, and ``None`` when there was nothing new for ``block_milliseconds``.

    A fact counts as handled, and is acknowledged, when the next one is asked for: one whose handling ends in
    an exception comes again after a restart.
    """
    _run(client, reader.start())
    while True:
        facts = _run(client, reader.read())
        if reader.quiet:
            yield None
        for fact in facts:
            if (new := reader.seen(fact)) is not None:
                yield new
            _run(client, reader.done(fact))


async def follow_async(client: "redis.asyncio.Redis", reader: Reader) -> AsyncGenerator[Fact | None, None]:
    """As :func:`follow`."""
    await _run_async(client, reader.start())
    while True:
        facts = await _run_async(client, reader.read())
        if reader.quiet:
            yield None
        for fact in facts:
            if (new := reader.seen(fact)) is not None:
                yield new
            await _run_async(client, reader.done(fact))


def _run(client: "redis.Redis", flow: Commands) -> Sequence[Fact]:
    try:
        command = next(flow)
        while True:
            try:
                answer = _execute(client, command)
            except redis.ResponseError as error:
                command = flow.throw(_expected(command, error))
            else:
                command = flow.send(answer)
    except StopIteration as done:
        facts: Sequence[Fact] = done.value
        return facts


async def _run_async(client: "redis.asyncio.Redis", flow: Commands) -> Sequence[Fact]:
    try:
        command = next(flow)
        while True:
            try:
                answer = await _execute_async(client, command)
            except redis.ResponseError as error:
                command = flow.throw(_expected(command, error))
            else:
                command = flow.send(answer)
    except StopIteration as done:
        facts: Sequence[Fact] = done.value
        return facts


def _execute(client: Any, command: Command) -> Any:
    if len(command.parts) == 1:
        return client.execute_command(*command.parts[0])
    return _transaction(client, command).execute()


async def _execute_async(client: Any, command: Command) -> Any:
    if len(command.parts) == 1:
        return await client.execute_command(*command.parts[0])
    return await _transaction(client, command).execute()


def _transaction(client: Any, command: Command) -> Any:
    """``client`` is ``Any``: redis-py has no types for commands as they are written."""
    pipeline = client.pipeline(transaction=True)
    for part in command.parts:
        pipeline.execute_command(*part)
    return pipeline


def _expected(command: Command, error: redis.ResponseError) -> Exception:
    return Expected(str(error)) if str(error).startswith(tuple(command.expected)) else error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
