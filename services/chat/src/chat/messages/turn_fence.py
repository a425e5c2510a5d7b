"""The fence around a turn: while it runs, only its runtime appends messages of other roles than users'."""

from collections.abc import Sequence

from chat.conversations.use_cases import lock_conversations
from chat.messages.records import NewMessage
from chat.messages.repository import compare_messages
from chat.messages.turn_ending import CANCELLED, end_turn, held_turns
from chat.turns.rules import refusal, turn_running
from common.errors import PermanentError
from common.postgres import Connection


async def refuse_others(connection: Connection, messages: Sequence[NewMessage]) -> dict[int, PermanentError]:
    """Why messages may not be appended now, by position. Their conversations are locked, so that no turn
    begins or ends until the transaction does; turns that weren't renewed in time are interrupted."""
    fenced = {place: each for place, each in enumerate(messages) if each.role != "user" or each.turn_sha256}
    ids = sorted({each.conversation_id for each in fenced.values()})
    await lock_conversations(connection, ids, deletes=False)
    held = await held_turns(connection, ids)
    errors = {
        place: refusal(held.get(each.conversation_id), each.turn_sha256) for place, each in fenced.items()
    }
    return {place: error for place, error in errors.items() if error}


def may_not_wait(message: NewMessage) -> bool:
    """Whether a message is a user's that doesn't wait for the end of the turn that runs."""
    return message.on_busy != "queue" and message.role == "user" and message.turn_sha256 is None


async def make_way(connection: Connection, messages: Sequence[NewMessage]) -> dict[int, PermanentError]:
    """Stop the turns that users interrupt by these messages. Returns an error for each that would rather not
    be stored while a turn runs, by position. A message that is stored already does neither."""
    places = [place for place, message in enumerate(messages) if may_not_wait(message)]
    impatient = [messages[place] for place in places]
    ids = sorted({message.conversation_id for message in impatient})
    await lock_conversations(connection, ids, deletes=False)
    held = await held_turns(connection, ids)
    stored = await compare_messages(connection, impatient) if held else {}
    errors: dict[int, PermanentError] = {}
    for i, message in enumerate(impatient):
        turn = held.get(message.conversation_id)
        if turn is None or i in stored:
            continue
        if message.on_busy == "reject":
            errors[places[i]] = turn_running()
        else:
            await end_turn(connection, held.pop(message.conversation_id), CANCELLED)
    return errors
