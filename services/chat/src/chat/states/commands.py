"""Which commands about states chat takes from ``chat.commands``, and the order in which each is handled."""

from backbone.handlers import Command, Router
from chat.states import handlers
from chat.states.records import Limits
from common import uuids
from contracts.chat import PatchState, ReplaceState


def register_commands(router: Router, limits: Limits) -> None:
    """Commands about one conversation are handled in the order of the stream."""
    router.on(PatchState, handlers.patcher(limits), key=_conversation_id)
    router.on(ReplaceState, handlers.replacer(limits), key=_conversation_id)


def _conversation_id(command: Command[PatchState] | Command[ReplaceState]) -> str:
    return uuids.write(command.data.conversation_id)
