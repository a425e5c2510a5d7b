"""Stream handlers: which contract an event type has, which handler takes it, and in what order.

A handler works on a connection inside the consumer's transaction and never commits. Everything that it
writes, the facts that it appends to the outbox, and the record that the event was handled commit at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from structlog.contextvars import bound_contextvars

from backbone.events import Event
from common.errors import PermanentError
from common.postgres import Connection
from common.trace_context import TraceContext, continuing
from contracts import CommandRejected, Contract

M = TypeVar("M", bound=Contract)


@dataclass(slots=True)
class Command(Generic[M]):
    """A validated event. ``key`` identifies it; ``trace`` is the context of its processing span."""

    event: Event
    data: M
    key: UUID
    trace: TraceContext | None


MAX_REASON = 2_000
"""Characters of a reason that are kept."""

FAILED = "failed"
"""The code of what a handler failed at too often: refused by nobody, and given up."""


@dataclass(slots=True, frozen=True)
class Rejection:
    """Why a command will never be carried out. ``code`` is for programs, ``reason`` for people."""

    code: str
    reason: str

    def __post_init__(self) -> None:
        # It may quote what the sender wrote, and is stored: without what Postgres and UTF-8 can't hold.
        storable = self.reason[:MAX_REASON].encode(errors="replace").decode().replace("\x00", "\ufffd")
        object.__setattr__(self, "reason", storable)

    @classmethod
    def of(cls, error: PermanentError) -> "Rejection":
        return cls(error.code, error.reason)

    def __str__(self) -> str:
        return self.reason if self.code == FAILED else f"{self.code}: {self.reason}"


BatchHandler: TypeAlias = Callable[[Connection, Sequence[Command[M]]], Awaitable[Sequence[Rejection | None]]]
EachHandler: TypeAlias = Callable[[Connection, Command[M]], Awaitable[None]]


@dataclass(slots=True, frozen=True)
class Route:
    """How events of one type are handled."""

    model: type[Contract]
    handler: BatchHandler[Any]
    order_by: Callable[[Command[Any]], str]
    natural_key: bool


class Router:
    """The events that one service takes from one stream.

    ``rejected`` is the fact that tells senders of a command that will never be carried out; ``None`` for a
    stream of facts, on which unknown types are somebody else's and are passed over.
    """

    def __init__(self, service: str, *, rejected: type[CommandRejected] | None = None) -> None:
        self.service = service
        self.rejected = rejected
        self.routes: dict[str, Route] = {}

    def on(
        self,
        model: type[M],
        handler: BatchHandler[M],
        *,
        key: Callable[[Command[M]], str],
        natural_key: bool = False,
    ) -> None:
        """Handle events of ``model.type`` set-wise: a rejection or ``None`` for each, in order.

        ``key`` names what the event is about: events of one key are handled in the order of the stream.
        With ``natural_key`` the handler itself recognises an event that it has handled (by a primary key that
        is the event's key), and the inbox records its rejections only.
        """
        if model.type in self.routes:
            raise ValueError(f"two handlers for {model.type}")
        self.routes[model.type] = Route(model, handler, key, natural_key)

    def each(self, model: type[M], handler: EachHandler[M], *, key: Callable[[Command[M]], str]) -> None:
        """Handle events of ``model.type`` one at a time; a :class:`PermanentError` undoes and rejects one."""

        async def one_by_one(
            connection: Connection, commands: Sequence[Command[M]]
        ) -> Sequence[Rejection | None]:
            return [await _attempt(connection, handler, command) for command in commands]

        self.on(model, one_by_one, key=key)


async def _attempt(connection: Connection, handler: EachHandler[M], command: Command[M]) -> Rejection | None:
    try:
        with bound_contextvars(event_id=command.event.id), continuing(command.trace):
            async with connection.transaction():
                await handler(connection, command)
    except PermanentError as error:
        return Rejection.of(error)
    return None
