"""Which commands messages take from ``chat.commands``, and the order in which they are handled."""

from backbone.handlers import Command, Router
from chat.announcements.served import ServedAgents
from chat.messages import handlers
from chat.quotas.limited import LimitedUsers
from common import uuids
from contracts.chat import AppendMessage


def register_commands(
    router: Router, max_bytes: int, limited: LimitedUsers, served: ServedAgents | None = None
) -> None:
    """Messages of one conversation are appended in the order of the stream.

    A message's id is its command's key, so the ``messages`` table itself shows which commands were handled.
    """
    append = handlers.appender(max_bytes, limited, served)
    router.on(AppendMessage, append, key=_conversation_id, natural_key=True)


def _conversation_id(command: Command[AppendMessage]) -> str:
    return uuids.write(command.data.conversation_id)
