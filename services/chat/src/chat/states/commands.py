"""Which commands about states chat takes from ``chat.commands``, and the order in which each is handled."""

from backbone.handlers import Command, Router
from chat.states import handlers
from contracts.chat import PatchState, ReplaceState


def register_commands(router: Router, state_max_bytes: int) -> None:
    """Commands about one conversation are handled in the order of the stream."""
    router.on(PatchState, handlers.patcher(state_max_bytes), key=_conversation_id)
    router.on(ReplaceState, handlers.replacer(state_max_bytes), key=_conversation_id)


def _conversation_id(command: Command[PatchState] | Command[ReplaceState]) -> str:
    return str(command.data.conversation_id)
