"""A transaction that everything inside it joins: a unit of work that is larger than one use case.

While :func:`joining` lasts, the pool's ``acquire`` gives the task that entered it the transaction's own
connection. So a use case that opens a transaction opens a savepoint in it, and commits with it. Work that is
handed to another task, to be committed with that of others, asks :func:`joined` first.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from common.postgres import Connection, Pool


@dataclass(slots=True, frozen=True)
class _Ambient:
    pool: object
    connection: Any
    task: object


_CURRENT: ContextVar[_Ambient | None] = ContextVar("ambient_transaction", default=None)


@contextmanager
def joining(pool: "Pool", connection: "Connection") -> Iterator[None]:
    """Let this task's use of ``pool`` join the transaction that is open on ``connection``.

    Other tasks, those that this one starts included, have connections of their own: a connection runs one
    statement at a time, and a task may outlive the transaction.
    """
    token = _CURRENT.set(_Ambient(pool, connection, asyncio.current_task()))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def joined(pool: object) -> "Connection | None":
    """The connection of the transaction of ``pool`` that this task works in; ``None`` if there is none."""
    ambient = _CURRENT.get()
    if ambient is None or ambient.pool is not pool or ambient.task is not asyncio.current_task():
        return None
    connection: Connection = ambient.connection
    return connection
