"""What a fork remembers of where it comes from. No I/O."""

from typing import Any
from uuid import UUID, uuid4

from chat.conversations.records import NewConversation
from chat.forks.records import LastCopied, Source


def new_fork(source: Source, last: LastCopied, *, replaced_by: UUID | None = None) -> NewConversation:
    """A new conversation with the agent, title, metadata and state of ``source`` as they are now.

    Its metadata say ``forkedFrom``; and ``replacedBy``, if it holds what a message of ``source`` replaced.
    """
    assert source.user_id is not None, "forks are the owner's"
    metadata: dict[str, Any] = {
        name: value for name, value in source.metadata.items() if name != "replacedBy"
    }
    metadata["forkedFrom"] = {
        "conversationId": str(source.id),
        "messageId": None if last.id is None else str(last.id),
        "sequence": last.sequence,
    }
    if replaced_by is not None:
        metadata["replacedBy"] = {"conversationId": str(source.id), "messageId": str(replaced_by)}
    return NewConversation(
        uuid4(),
        source.agent_id,
        source.agent_version,
        source.user_id,
        source.title,
        source.provider,
        metadata,
        source.state,
    )
