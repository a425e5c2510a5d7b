"""Forks on the wire."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from chat.conversations.wire import ConversationJson
from chat.messages.wire import MessageJson
from contracts.chat import MAX_USER_CONTENT
from contracts.storable import Text
from servicekit.answers import Body


class ForkAt(Body):
    """The last message to copy. Without one, all are copied."""

    message_id: Annotated[UUID, Field(strict=False)] | None = None


class ReplaceMessage(Body):
    """What the user says instead. Without it the message stays the same, and is answered again."""

    content: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_USER_CONTENT)] | None = None


class ReplacementJson(TypedDict):
    """The new message, and the conversation that has what was replaced."""

    message: MessageJson
    branch: ConversationJson
