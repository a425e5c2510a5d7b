"""Which commands and facts mock game servers take from the streams, and in which order each is handled."""

from functools import partial
from typing import TypeVar

from backbone.handlers import Command, Router
from cockpit.servers import handlers
from cockpit.tokens.use_cases import Tokens
from contracts.chat import ConversationDeleted
from contracts.cockpit import ExecuteCommand, StartServer, StopServer

About = TypeVar("About", StartServer, StopServer, ExecuteCommand, ConversationDeleted)


def register_commands(router: Router, tokens: Tokens) -> None:
    """``cockpit.commands``: those about one conversation are handled in the order of the stream.

    ``tokens``: with which servers that start connect to Takaro.
    """
    router.each(StartServer, partial(handlers.start, tokens=tokens), key=_conversation_id)
    router.each(StopServer, handlers.stop, key=_conversation_id)
    router.each(ExecuteCommand, handlers.execute, key=_conversation_id)


def register_chat_facts(router: Router) -> None:
    """``chat.events``: the server of a deleted conversation is stopped."""
    router.on(ConversationDeleted, handlers.conversation_deleted, key=_conversation_id)


def _conversation_id(command: Command[About]) -> str:
    return str(command.data.conversation_id)
