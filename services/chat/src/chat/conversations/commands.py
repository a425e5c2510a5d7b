"""Which commands conversations take from ``chat.commands``, and the order in which each is handled."""

from typing import TypeVar

from backbone.handlers import Command, Router
from chat.agents.rules import Catalogue
from chat.announcements.served import ServedAgents
from chat.conversations import handlers
from contracts.chat import CreateConversation, DeleteConversation, SetAgentVersion, SetTitle

Follow = TypeVar("Follow", SetTitle, SetAgentVersion, DeleteConversation)


def register_commands(
    router: Router, catalogue: Catalogue, served: ServedAgents, state_max_bytes: int
) -> None:
    """Commands about one conversation are handled in the order of the stream."""
    router.on(CreateConversation, handlers.creator(catalogue, served, state_max_bytes), key=_id_to_be)
    router.on(SetTitle, handlers.set_title, key=_conversation_id)
    router.each(SetAgentVersion, handlers.set_agent_version, key=_conversation_id)
    router.on(DeleteConversation, handlers.delete, key=_conversation_id)


def _id_to_be(command: Command[CreateConversation]) -> str:
    """The id that the conversation will have. Later commands about it wait for its creation."""
    return str(command.data.id or command.key)


def _conversation_id(command: Command[Follow]) -> str:
    return str(command.data.conversation_id)
