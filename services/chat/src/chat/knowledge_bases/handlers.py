"""Handlers of the facts about knowledge bases."""

from backbone.entry_names import time_of
from backbone.handlers import Command
from chat.knowledge_bases.rules import told_base
from chat.knowledge_bases.use_cases import keep_base
from common.postgres import Connection
from contracts.knowledge import BaseUpdated


async def base_updated(connection: Connection, command: Command[BaseUpdated]) -> None:
    """A base was registered, changed or deleted."""
    owner, told_at = command.data.owner_id, time_of(command.event)
    await keep_base(connection, told_base(command.data), owner, told_at)
