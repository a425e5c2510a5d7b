"""Which commands chat takes from ``chat.turns``, and the order in which each is handled."""

from backbone.handlers import Command, Router
from chat.pieces import handlers
from chat.pieces.records import Limits
from common import uuids
from contracts.chat import ShowPiece


def register_commands(router: Router, limits: Limits) -> None:
    """Pieces of one conversation are handled in the order of the stream.

    The number of a piece shows whether it was stored before, so the inbox doesn't record those that were.
    """
    router.on(ShowPiece, handlers.shower(limits), key=_conversation_id, natural_key=True)


def _conversation_id(command: Command[ShowPiece]) -> str:
    return uuids.write(command.data.conversation_id)
