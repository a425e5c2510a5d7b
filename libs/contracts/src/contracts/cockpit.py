"""The commands that cockpit reads from ``cockpit.commands`` and the facts it publishes on ``cockpit.events``.

A fact's subject is its session's id, and ``sequence`` counts the facts of that session.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, StringConstraints

from contracts import CommandRejected, Contract, by_type
from contracts.storable import Text, check_text

COMMANDS_STREAM = "cockpit.commands"
FACTS_STREAM = "cockpit.events"

MAX_COMMAND = 1_000
"""Maximum characters in one console line, over HTTP and on the stream."""

UserId = Annotated[Text, StringConstraints(min_length=1, max_length=255)]
PlayerId = Annotated[Text, StringConstraints(min_length=1, max_length=255)]
ConsoleLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_COMMAND),
    AfterValidator(check_text),
]
Status = Literal["stopped", "starting", "running", "stopping", "error"]


class StartServer(Contract):
    """Start the user's mock server in this conversation's session, or move it there from another session."""

    type: ClassVar[str] = "cockpit.server.start.v1"

    conversation_id: UUID
    user_id: UserId


class StopServer(Contract):
    """Stop the mock server that runs in this conversation's session, if one does."""

    type: ClassVar[str] = "cockpit.server.stop.v1"

    conversation_id: UUID
    user_id: UserId


class ExecuteCommand(Contract):
    """Run one line on the console of the server in this conversation's session. An event has the answer."""

    type: ClassVar[str] = "cockpit.server.execute.v1"

    conversation_id: UUID
    user_id: UserId
    command: ConsoleLine


class SelectPlayer(Contract):
    """Select the player that the session's user tests as; ``null`` selects none."""

    type: ClassVar[str] = "cockpit.player.select.v1"

    conversation_id: UUID
    user_id: UserId
    player_id: PlayerId | None


class ServerStatusChanged(Contract):
    """A session's server started, stopped, moved or failed.

    ``reason`` is ``started``, ``stopped``, ``moved`` (to the session ``movedTo``, or here from another one)
    or ``conversation_deleted`` (the session no longer exists). For a server that connects to Takaro it is
    also ``starting``, ``stopping``, ``renamed`` (Takaro gave it another id), ``shutdown`` (Takaro stopped it)
    or ``connection_failed``, for the ``detail``.
    """

    type: ClassVar[str] = "cockpit.server.status_changed.v1"

    session_id: UUID
    conversation_id: UUID
    user_id: str
    game_server_id: str | None
    status: Status
    previous_status: str
    player_count: int
    reason: str
    moved_to: UUID | None = None
    detail: str | None = None


class PlayerSelected(Contract):
    type: ClassVar[str] = "cockpit.player.selected.v1"

    session_id: UUID
    conversation_id: UUID
    user_id: str
    player_id: str | None


class GameEventHappened(Contract):
    """An event that the session's event stream shows. ``eventId`` grows with each event of the session."""

    type: ClassVar[str] = "cockpit.game.event.v1"

    session_id: UUID
    conversation_id: UUID
    user_id: str
    game_server_id: str
    event_id: int
    event_name: str
    created_at: datetime
    meta: dict[str, Any]


class UserErased(Contract):
    """Data of a user was erased by cockpit. The last fact of an erasure has ``finished`` and the counts of
    all; others have those of a transaction. ``counts`` are rows by table, ``streams`` entries by stream.
    ``subjects`` (at most 200) are those of facts on this stream that no longer exist."""

    type: ClassVar[str] = "cockpit.user.erased.v1"
    erasure_id: UUID
    user_id: str
    counts: dict[str, int]
    finished: bool
    streams: dict[str, int] | None = None
    subjects: list[str] | None = None


class CockpitCommandRejected(CommandRejected):
    type: ClassVar[str] = "cockpit.command.rejected.v1"


COMMANDS: tuple[type[Contract], ...] = (StartServer, StopServer, ExecuteCommand, SelectPlayer)
FACTS: tuple[type[Contract], ...] = (
    ServerStatusChanged,
    PlayerSelected,
    GameEventHappened,
    UserErased,
    CockpitCommandRejected,
)
TYPES = by_type(*COMMANDS, *FACTS)
