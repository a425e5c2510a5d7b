"""What makes every effect happen once."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from backbone import inbox as inboxes
from backbone.handlers import Command
from backbone.processor import Processor
from backbone.validation import Item
from chat.messages import handlers
from chat.messages.records import NewMessage
from tests.support.without.patch import Patch


def inbox(patch: Patch) -> None:
    """Every delivery counts as new."""
    patch.setattr(inboxes, "claim", _all_new)


def natural_keys(patch: Patch) -> None:
    """A message has a new id each time that its command is handled."""
    named = handlers._new_message

    def renamed(command: Command[Any]) -> NewMessage:
        message = named(command)
        message.id = uuid4()
        return message

    patch.setattr(handlers, "_new_message", renamed)


def record_of_replays(patch: Patch) -> None:
    """Every delivery of a replay counts as another replay."""
    patch.setattr(inboxes, "record_replays", _all_new)


async def _all_new(_: Any, __: str, records: Sequence[inboxes.Record]) -> set[UUID]:
    return {key for key, _ in records}


def acknowledgement_after_commit(patch: Patch) -> None:
    """Entries are acknowledged before they are handled."""
    handle = Processor.handle

    async def acknowledge_first(self: Processor, items: Sequence[Item]) -> None:
        await self.source.acknowledge([item.entry[0] for item in items])
        await handle(self, items)

    patch.setattr(Processor, "handle", acknowledge_first)
