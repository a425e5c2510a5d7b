"""Taking turns, renewing and ending them.

The conversation's lock orders all of it with what others write there. A turn's token is checked under it, so
a runtime that was frozen past the time of its turn changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from backbone import outbox
from chat.conversations.acting import check_owner_or_runtime, owner_for_runtime
from chat.conversations.repository import get_agent, lock_for_change
from chat.conversations.rules import not_found
from chat.conversations.use_cases import lock_conversations
from chat.messages.finishing import finish_at_once
from chat.messages.records import NewMessage
from chat.messages.shown_pieces import show_messages
from chat.messages.turn_ending import CANCELLED, end_turn, held_turns
from chat.messages.use_cases import append_messages
from chat.runtimes.awaiting import ask
from chat.runtimes.records import Context, Taken
from chat.runtimes.rules import check_request, check_token, is_repeated
from chat.runtimes.taking import list_history, take_requested
from chat.states.repository import get_state
from chat.turns import repository
from chat.turns.facts import turn_started
from chat.turns.records import Ending, Taking, Turn
from chat.turns.rules import turn_has_ended, turn_not_found, turn_over, turn_running
from common.errors import PermanentError
from common.postgres import Connection, Pool, transaction, tried_again
from servicekit.auth import Caller


async def take_turn(
    pool: Pool, caller: Caller, conversation_id: UUID, turn_id: UUID | None, taking: Taking, max_seconds: int
) -> Taken:
    """Let a runtime hold the requested turn, or one that it begins by itself.

    Raises as :func:`owner_for_runtime`, :class:`Conflict` while another turn runs, and :class:`NotFound` for
    a ``turn_id`` that no turn has.
    """
    taking = replace(taking, ttl_seconds=min(taking.ttl_seconds, max_seconds))
    if (taken := await take_requested(pool, caller, conversation_id, turn_id, taking)) is not None:
        return taken
    turn, repeated = await _take(pool, caller, conversation_id, turn_id, taking)
    async with pool.acquire() as connection:
        return Taken(turn, await _read(connection, turn), repeated)


@tried_again
async def _take(
    pool: Pool, caller: Caller, conversation_id: UUID, turn_id: UUID | None, taking: Taking
) -> tuple[Turn, bool]:
    async with transaction(pool) as connection:
        await _lock(connection, caller, conversation_id)
        held = (await held_turns(connection, [conversation_id])).get(conversation_id)
        if taking.key_sha256 is not None:
            taken = await repository.get_taken(connection, conversation_id, taking.key_sha256)
            if taken is not None:
                return await _take_again(connection, taken, held, taking), True
        if held is not None:
            raise turn_running()
        requested = await repository.get_requested(connection, conversation_id)
        if turn_id is not None and (requested is None or requested.id != turn_id):
            known = await repository.get_turn(connection, conversation_id, turn_id)
            raise turn_not_found() if known is None else turn_has_ended()
        counted = await repository.hold_conversation(connection, conversation_id, taking.token_sha256)
        turn = await repository.start_turn(
            connection,
            conversation_id,
            requested.id if requested else uuid4(),
            counted.message_sequence,
            taking,
        )
        await outbox.append(connection, [turn_started(turn, counted.fact_sequence)])
        return turn, False


async def _take_again(connection: Connection, taken: Turn, held: Turn | None, taking: Taking) -> Turn:
    """The turn that the same request has taken, with another token: that of the first answer isn't kept, and
    is refused from now on."""
    check_request(taken, taking)
    if held is None or held.id != taken.id:
        raise turn_over()
    await repository.hold_conversation(connection, taken.conversation_id, taking.token_sha256, facts=0)
    return await repository.replace_token(connection, taken.id, taking.token_sha256)


async def _read(connection: Connection, turn: Turn) -> Context:
    """The messages up to the turn's beginning, and the state."""
    conversation = await get_agent(connection, turn.conversation_id)
    state = await get_state(connection, turn.conversation_id)
    if conversation is None or state is None:
        raise not_found()
    return Context(
        conversation.user_id or "",
        conversation.agent_id,
        conversation.agent_version,
        await list_history(connection, turn),
        state.state,
        state.version,
    )


async def renew_turn(
    pool: Pool,
    caller: Caller,
    conversation_id: UUID,
    turn_id: UUID,
    token_sha256: str,
    ttl_seconds: int | None,
    max_seconds: int,
    awaiting: dict[str, Any] | None = None,
) -> Turn:
    """Let a runtime hold its turn for longer, and wait for a person if it asks one. A turn that was cancelled
    is returned as it is.

    Raises as :func:`owner_for_runtime`, :class:`NotFound` for no such turn, and :class:`Conflict` for one
    that isn't the token's, or is over.
    """
    async with pool.acquire() as connection:
        await owner_for_runtime(connection, caller, conversation_id)
        turn = await repository.get_turn(connection, conversation_id, turn_id)
        check_token(turn, token_sha256)
        renewed = await repository.renew_turn(connection, turn_id, token_sha256, ttl_seconds, max_seconds)
        if renewed is not None and (awaiting is None or awaiting == renewed.awaiting):
            return renewed
        turn = check_token(await repository.get_turn(connection, conversation_id, turn_id), token_sha256)
    if turn.state == "cancelled":
        return turn
    if renewed is None or awaiting is None:
        raise turn_over()
    return await ask(pool, caller, conversation_id, turn_id, token_sha256, awaiting)


async def find_owner(pool: Pool, caller: Caller, conversation_id: UUID) -> str:
    """As :func:`owner_for_runtime`."""
    async with pool.acquire() as connection:
        return await owner_for_runtime(connection, caller, conversation_id)


async def end_own_turn(
    pool: Pool,
    caller: Caller,
    conversation_id: UUID,
    turn_id: UUID,
    token_sha256: str,
    ending: Ending,
    messages: Sequence[NewMessage] = (),
) -> Turn:
    """End a turn by its runtime, with its last ``messages``, in one transaction. The same again does nothing.
    The messages name the conversation's owner, whom :func:`find_owner` has told the caller.

    Raises as :func:`renew_turn`, and as an append of the messages does.
    """
    ended = await finish_at_once(pool, turn_id, token_sha256, ending, messages)
    return ended or await _end_in_steps(
        pool, caller, conversation_id, turn_id, token_sha256, ending, messages
    )


@tried_again
async def _end_in_steps(
    pool: Pool,
    caller: Caller,
    conversation_id: UUID,
    turn_id: UUID,
    token_sha256: str,
    ending: Ending,
    messages: Sequence[NewMessage],
) -> Turn:
    async with transaction(pool) as connection:
        await _lock(connection, caller, conversation_id)
        turn = check_token(await repository.get_turn(connection, conversation_id, turn_id), token_sha256)
        if is_repeated(turn, ending):
            return turn
        if not turn.held or turn.expired:
            raise turn_over()
        for outcome in await append_messages(connection, messages) if messages else ():
            if isinstance(outcome, PermanentError):
                raise outcome
        if ending.state == "finished":
            await show_messages(connection, turn, messages)
        return await end_turn(connection, turn, ending)


@tried_again
async def cancel_turn(pool: Pool, caller: Caller, conversation_id: UUID, turn_id: UUID) -> Turn:
    """Stop a turn, whether a runtime has taken it or not. Its token is refused from now on.

    Raises as :func:`check_owner_or_runtime`, :class:`NotFound` for no such turn, and :class:`Conflict` for
    one that has ended otherwise.
    """
    async with transaction(pool) as connection:
        await check_owner_or_runtime(connection, caller, conversation_id)
        await lock_conversations(connection, [conversation_id], deletes=False)
        await held_turns(connection, [conversation_id])  # interrupts it if its time is over
        turn = await repository.get_turn(connection, conversation_id, turn_id)
        if turn is None:
            raise turn_not_found()
        if turn.state == "cancelled":
            return turn
        if turn.state != "requested" and not turn.held:
            raise turn_has_ended()
        return await end_turn(connection, turn, CANCELLED)


async def _lock(connection: Connection, caller: Caller, conversation_id: UUID) -> None:
    await owner_for_runtime(connection, caller, conversation_id)
    if conversation_id not in await lock_for_change(connection, [conversation_id]):
        raise not_found()  # it was deleted while this waited for its lock
