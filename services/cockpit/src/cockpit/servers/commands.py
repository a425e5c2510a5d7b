"""Which commands and facts mock game servers take from the streams, and in which order each is handled."""

from typing import TypeVar

from backbone.handlers import Command, Router
from cockpit.servers import handlers
from contracts.chat import ConversationDeleted
from contracts.cockpit import ExecuteCommand, StartServer, StopServer

About = TypeVar("About", StartServer, StopServer, ExecuteCommand, ConversationDeleted)


def register_commands(router: Router) -> None:
    """``cockpit.commands``: those about one conversation are handled in the order of the stream."""
    router.each(StartServer, handlers.start, key=_conversation_id)
    router.each(StopServer, handlers.stop, key=_conversation_id)
    router.each(ExecuteCommand, handlers.execute, key=_conversation_id)


def register_chat_facts(router: Router) -> None:
    """``chat.events``: the server of a deleted conversation is stopped."""
    router.on(ConversationDeleted, handlers.conversation_deleted, key=_conversation_id)


def _conversation_id(command: Command[About]) -> str:
    return str(command.data.conversation_id)
