"""Event contracts: one Pydantic model for each type, one module or package for each producer.

Within a major version, changes to a contract only add optional fields, and consumers ignore fields that they
don't know. A breaking change is a new type (``….v2``), published beside the old one.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Contract(BaseModel):
    """The ``data`` of one event type. JSON is camelCase; unknown fields are ignored.

    A subclass names its event in ``type``::

        class TitleSet(Contract):
            type: ClassVar[str] = "chat.conversation.title.set.v1"
            conversation_id: UUID
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, allow_inf_nan=False
    )

    type: ClassVar[str]

    def to_json(self) -> str:
        """The JSON sent on the wire: camelCase, without fields that were not set."""
        return self.model_dump_json(by_alias=True, exclude_unset=True)


class CommandRejected(Contract):
    """Tells the sender that a command will never be carried out. Each producer has its own type.

    ``details`` are what an HTTP answer has beside ``error``: ``data`` with the ``version`` and the ``state``
    after a ``version_conflict`` (and ``conversationId``), ``quota`` after ``quota_exceeded``.
    """

    command_id: str
    command_type: str
    code: str
    reason: str
    details: dict[str, Any] | None = None


def by_type(*contracts: type[Contract]) -> dict[str, type[Contract]]:
    """Contracts by the name of their event type. Raises ``ValueError`` if two have the same type."""
    types = {contract.type: contract for contract in contracts}
    if len(types) != len(contracts):
        raise ValueError("two contracts share one event type")
    return types
