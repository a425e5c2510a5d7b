"""Which commands players take from ``cockpit.commands``, and in which order they are handled."""

from backbone.handlers import Command, Router
from cockpit.players import handlers
from contracts.cockpit import SelectPlayer


def register_commands(router: Router) -> None:
    """Commands about one conversation are handled in the order of the stream."""
    router.each(SelectPlayer, handlers.select, key=_conversation_id)


def _conversation_id(command: Command[SelectPlayer]) -> str:
    return str(command.data.conversation_id)
