"""Which facts about knowledge bases chat takes from ``knowledge.events``, and their order."""

from backbone.handlers import Command, Router
from chat.knowledge_bases import handlers
from contracts.knowledge import BaseUpdated


def register_facts(router: Router) -> None:
    """``knowledge.events``: those about one base are handled in the order of the stream."""
    router.each(BaseUpdated, handlers.base_updated, key=_base)


def _base(command: Command[BaseUpdated]) -> str:
    return command.data.knowledge_base_id
