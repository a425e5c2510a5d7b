"""Which handler takes which of ``chat.commands``."""

from typing import TypeVar

from backbone.handlers import Command, Router
from chat.agents import Catalogue
from chat.conversations import handlers as conversations
from chat.messages import handlers as messages
from contracts.chat import (
    AppendMessage,
    ChatCommandRejected,
    CreateConversation,
    DeleteConversation,
    PatchState,
    SetTitle,
)

Follow = TypeVar("Follow", AppendMessage, PatchState, SetTitle, DeleteConversation)


def create_command_router(catalogue: Catalogue) -> Router:
    """Every command of chat; those of one conversation are handled in the order of the stream."""
    router = Router("chat", rejected=ChatCommandRejected)
    router.on(CreateConversation, conversations.creator(catalogue), key=conversations.conversation_key)
    router.on(AppendMessage, messages.append, key=_conversation_id, natural_key=True)
    router.on(PatchState, conversations.patch_state, key=_conversation_id)
    router.on(SetTitle, conversations.set_title, key=_conversation_id)
    router.on(DeleteConversation, conversations.delete, key=_conversation_id)
    return router


def _conversation_id(command: Command[Follow]) -> str:
    return str(command.data.conversation_id)
