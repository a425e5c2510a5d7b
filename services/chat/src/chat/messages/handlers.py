"""Handlers of the commands about messages."""

from collections.abc import Sequence

from backbone.handlers import Command, Rejection
from chat.messages.records import NewMessage
from chat.messages.use_cases import append_messages
from common.errors import PermanentError
from common.postgres import Connection
from contracts.chat import AppendMessage


async def append(
    connection: Connection, commands: Sequence[Command[AppendMessage]]
) -> list[Rejection | None]:
    """Append the messages of a batch; a message's id is its command's key, so that none is stored twice."""
    outcomes = await append_messages(connection, [_new_message(command) for command in commands])
    return [Rejection.of(outcome) if isinstance(outcome, PermanentError) else None for outcome in outcomes]


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
    )
