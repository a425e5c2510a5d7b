"""Stream handlers: the contract of each event type, the handler that takes it, and their order.

A handler works on a connection inside the consumer's transaction and never commits. Its writes, the facts it
appends to the outbox, and the inbox's record of the event commit together.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    """A validated event. ``key`` identifies it; ``trace`` is the context of the span that processes it."""

    event: Event
    data: M
    key: UUID
    trace: TraceContext | None


MAX_REASON = 2_000
"""Maximum characters of a stored reason."""

FAILED = "failed"
"""The code for an entry whose handler failed too often. It was given up, not refused."""


@dataclass(slots=True, frozen=True)
class Rejection:
    """Why an event will never be handled. ``code`` is for programs, ``reason`` for people; ``details`` are
    JSON for the sender, and aren't stored with the event."""

    code: str
    reason: str
    details: Mapping[str, object] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        # It may quote the sender and it is stored, so what Postgres and UTF-8 can't hold is removed.
        storable = self.reason[:MAX_REASON].encode(errors="replace").decode().replace("\x00", "\ufffd")
        object.__setattr__(self, "reason", storable)

    @classmethod
    def of(cls, error: PermanentError) -> "Rejection":
        """The rejection that ``error`` leads to."""
        return cls(error.code, error.reason, error.fields or None)

    def __str__(self) -> str:
        return self.reason if self.code == FAILED else f"{self.code}: {self.reason}"


BatchHandler: TypeAlias = Callable[[Connection, Sequence[Command[M]]], Awaitable[Sequence[Rejection | None]]]
Lock: TypeAlias = Callable[[Connection, Sequence[Command[Any]]], Awaitable[None]]
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

    ``rejected`` is the fact that notifies senders of a rejected command. It is ``None`` for a stream of
    facts, where events of unknown types are meant for other services and are passed over.
    """

    def __init__(
        self, service: str, *, rejected: type[CommandRejected] | None = None, lock: Lock | None = None
    ) -> None:
        """``lock`` locks the rows that a batch of commands changes, in the one order of docs/reliability.md,
        before anything else is locked. Handlers lock what is locked then."""
        self.service = service
        self.rejected = rejected
        self.lock = lock
        self.routes: dict[str, Route] = {}

    def on(
        self,
        model: type[M],
        handler: BatchHandler[M],
        *,
        key: Callable[[Command[M]], str],
        natural_key: bool = False,
    ) -> None:
        """Register a handler for batches of ``model.type``. It returns a rejection or ``None`` for each
        event, in order.

        ``key`` names the subject: events of one key are handled in stream order. With ``natural_key`` the
        handler recognises repeats itself (the event's key is a primary key), and the inbox records only
        rejections.
        """
        if model.type in self.routes:
            raise ValueError(f"two handlers for {model.type}")
        self.routes[model.type] = Route(model, handler, key, natural_key)

    def each(self, model: type[M], handler: EachHandler[M], *, key: Callable[[Command[M]], str]) -> None:
        """Register a handler for single events of ``model.type``. A :class:`PermanentError` rolls back and
        rejects one."""

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
