"""Handlers of the commands about messages."""

from collections.abc import Sequence

from backbone.handlers import BatchHandler, Command, Rejection
from chat.announcements.served import ServedAgents
from chat.messages.records import NewMessage
from chat.messages.rules import message_bytes, too_large
from chat.messages.use_cases import append_messages
from chat.quotas.limited import LimitedUsers
from chat.quotas.records import Wanted
from chat.quotas.use_cases import refuse
from chat.turns.rules import digest_if_any
from common import codec
from common.errors import PermanentError
from common.postgres import Connection
from contracts.chat import AppendMessage


def appender(
    max_bytes: int, limited: LimitedUsers, served: ServedAgents | None = None
) -> BatchHandler[AppendMessage]:
    """A handler that appends messages of at most ``max_bytes``. The quotas of ``limited`` users hold. What
    users say to agents that are ``served`` asks for turns."""

    async def append(
        connection: Connection, commands: Sequence[Command[AppendMessage]]
    ) -> list[Rejection | None]:
        """Append the messages of a batch. A message's id is its command's key, so none is stored twice."""
        outcomes = [_check_size(command, max_bytes) for command in commands]
        fitting = [place for place, outcome in enumerate(outcomes) if outcome is None]
        if not limited.nobody():
            await _check_quotas(limited, connection, commands, fitting, outcomes)
            fitting = [place for place in fitting if outcomes[place] is None]
        messages = [_new_message(commands[place]) for place in fitting]
        appended = await append_messages(connection, messages, served) if messages else []
        for place, outcome in zip(fitting, appended, strict=True):
            outcomes[place] = Rejection.of(outcome) if isinstance(outcome, PermanentError) else None
        return outcomes

    return append


async def _check_quotas(
    limited: LimitedUsers,
    connection: Connection,
    commands: Sequence[Command[AppendMessage]],
    places: Sequence[int],
    outcomes: list[Rejection | None],
) -> None:
    """Put a rejection in the place of each command that is over a quota."""
    wanted = [
        Wanted(commands[i].key, commands[i].data.conversation_id, commands[i].data.token_count)
        for i in places
    ]
    for place, error in zip(places, await refuse(limited, connection, wanted), strict=True):
        outcomes[place] = Rejection.of(error) if error else None


def _check_size(command: Command[AppendMessage], max_bytes: int) -> Rejection | None:
    data = command.data
    if len(command.event.data) * codec.MOST_GROWTH <= max_bytes:
        return None  # most messages need no measuring
    size = message_bytes(data.content, data.tool_calls, data.tool_results)
    return Rejection.of(too_large(size, max_bytes)) if size > max_bytes else None


def _new_message(command: Command[AppendMessage]) -> NewMessage:
    data = command.data
    return NewMessage(
        command.key,
        data.conversation_id,
        data.role,
        data.content,
        data.tool_calls,
        data.tool_results,
        data.token_count,
        data.latency_ms,
        data.model,
        command.trace,
        turn_sha256=digest_if_any(data.turn_token),
        on_busy=data.on_busy or "queue",
    )
