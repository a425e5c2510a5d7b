"""HTTP of turns: for runtimes, and for the people whose conversations they work in."""

from dataclasses import replace
from functools import partial
from hashlib import sha256

from fastapi import APIRouter, Request
from starlette.responses import Response

from chat.conversations.wire import ConversationId
from chat.quotas.limited import LimitedUsers
from chat.quotas.use_cases import within
from chat.quotas.wire import EXCEEDED, WARNED, WARNING
from chat.runtimes import awaiting, listing, use_cases
from chat.runtimes.records import Limits
from chat.runtimes.wire import (
    ENDED,
    HELD,
    NOT_YOURS,
    WAITS_NOT,
    AnswerTurn,
    FailTurn,
    FinishTurn,
    RenewedTurnJson,
    RenewTurn,
    TakenTurnJson,
    TakeTurn,
    TurnJson,
    renewed_json,
    taken_json,
    turn_json,
)
from chat.transfers.rules import check_sizes
from chat.turns.records import Ending, Taking
from chat.turns.rules import digest_of, new_token
from chat.turns.wire import NO_TURN, RequiredTurnTokenParam, TurnId
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.idempotency import REPLAYED, key_of
from servicekit.keysets import Keyset, Place
from servicekit.list_parameters import CursorParam, LimitParam, OrderParam
from servicekit.openapi import answering, answering_list
from servicekit.request_bodies import MAX_BODY_BYTES
from servicekit.routing import SecretRoute, create_api_router
from servicekit.service import ResourcesParam
from servicekit.streamed_lists import streamed_data

TURNS = Keyset("turns", tuple[Place], order="desc")
PREFIX = "/api/conversations/{conversationId}/turns"


def create_router(limits: Limits, limited: LimitedUsers) -> APIRouter:
    """Routes of turns within ``limits``. The quotas of ``limited`` users hold for what runtimes append."""
    secret = create_api_router(PREFIX, ["turns"], route_class=SecretRoute)
    router = create_api_router(PREFIX, ["turns"])

    @secret.post("", **answering(TakenTurnJson, status=201, errors=HELD))
    async def take_turn(
        conversation_id: ConversationId,
        body: TakeTurn,
        request: Request,
        caller: CallerParam,
        resources: ResourcesParam,
    ) -> JSONAnswer:
        """Take the turn of a conversation, as a runtime: until it ends, nobody else answers. Sent again with
        its ``Idempotency-Key`` while the turn runs, it is answered with another token for the same turn, in
        place of the first one."""
        token, key = new_token(), key_of(request.scope)
        taking = Taking(caller.user_id, digest_of(token), body.ttl_seconds)
        if key is not None:
            taking = replace(
                taking,
                key_sha256=sha256(f"{caller.user_id}\n{key}".encode()).digest(),
                request_sha256=sha256(body.model_dump_json().encode()).digest(),
            )
        taken = await use_cases.take_turn(
            resources.pool, caller, conversation_id, body.turn_id, taking, limits.turn_seconds
        )
        answer = data(taken_json(taken, token), status=201)
        answer.headers["Cache-Control"] = "no-store"
        if taken.repeated:
            answer.headers[REPLAYED] = "true"
        return answer

    @router.get("", **answering_list(TurnJson, errors=NO_TURN))
    async def list_turns(
        conversation_id: ConversationId,
        caller: CallerParam,
        resources: ResourcesParam,
        limit: LimitParam = None,
        cursor: CursorParam = None,
        order: OrderParam = None,
    ) -> Response:
        """The turns of a conversation that are kept, newest first (`order=asc`: oldest)."""
        page = TURNS.page(limit, cursor, order, conversation_id)
        pages = listing.list_turns(resources.pool, caller, conversation_id, page)
        return await streamed_data(pages, turn_json, page, listing.place)

    @router.get("/{turnId}", **answering(TurnJson, errors=NO_TURN))
    async def get_turn(
        conversation_id: ConversationId, turn_id: TurnId, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """A turn."""
        return data(turn_json(await listing.get_turn(resources.pool, caller, conversation_id, turn_id)))

    @router.put("/{turnId}", **answering(RenewedTurnJson, errors=NOT_YOURS))
    async def renew_turn(
        conversation_id: ConversationId,
        turn_id: TurnId,
        body: RenewTurn,
        token: RequiredTurnTokenParam,
        caller: CallerParam,
        resources: ResourcesParam,
    ) -> JSONAnswer:
        """Hold a turn for longer, or let it wait for a person. The answer says whether somebody has cancelled
        it, and what the person has answered."""
        turn = await use_cases.renew_turn(
            resources.pool,
            caller,
            conversation_id,
            turn_id,
            digest_of(token),
            body.ttl_seconds,
            limits.turn_seconds,
            None if body.awaiting is None else body.awaiting.model_dump(),
        )
        return data(renewed_json(turn))

    @router.post("/{turnId}/answer", **answering(TurnJson, errors=WAITS_NOT))
    async def answer_turn(
        conversation_id: ConversationId,
        turn_id: TurnId,
        body: AnswerTurn,
        caller: CallerParam,
        resources: ResourcesParam,
    ) -> JSONAnswer:
        """Answer what a turn of one's own conversation waits for."""
        turn = await awaiting.answer(resources.pool, caller.user_id, conversation_id, turn_id, body.answer)
        return data(turn_json(turn))

    @router.post("/{turnId}/finish", **answering(TurnJson, errors=NOT_YOURS | EXCEEDED, headers=WARNED))
    async def finish_turn(
        conversation_id: ConversationId,
        turn_id: TurnId,
        body: FinishTurn,
        token: RequiredTurnTokenParam,
        caller: CallerParam,
        resources: ResourcesParam,
    ) -> JSONAnswer:
        """End a turn whose work is done, with its last messages: all of it, or nothing. A turn that is
        finished already stays as it is."""
        owner = await use_cases.find_owner(resources.pool, caller, conversation_id)
        digest = digest_of(token)
        messages = [each.message(conversation_id, owner, digest) for each in body.messages]
        check_sizes(messages, limits.message_bytes, max(limits.message_bytes, MAX_BODY_BYTES))
        ending = Ending("finished", usage=body.usage)
        finish = partial(
            use_cases.end_own_turn,
            resources.pool,
            caller,
            conversation_id,
            turn_id,
            digest,
            ending,
            messages,
        )
        turn, warning = await within(
            limited, resources.pool, owner, finish, [message.id for message in messages]
        )
        answer = data(turn_json(turn))
        if warning:
            answer.headers[WARNING] = warning
        return answer

    @router.post("/{turnId}/fail", **answering(TurnJson, errors=NOT_YOURS))
    async def fail_turn(
        conversation_id: ConversationId,
        turn_id: TurnId,
        body: FailTurn,
        token: RequiredTurnTokenParam,
        caller: CallerParam,
        resources: ResourcesParam,
    ) -> JSONAnswer:
        """Give up a turn, and say why. A turn that has failed already stays as it is."""
        ending = Ending("failed", error=body.error)
        turn = await use_cases.end_own_turn(
            resources.pool, caller, conversation_id, turn_id, digest_of(token), ending
        )
        return data(turn_json(turn))

    @router.post("/{turnId}/cancel", **answering(TurnJson, errors=ENDED))
    async def cancel_turn(
        conversation_id: ConversationId, turn_id: TurnId, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """Stop a turn, whether a runtime has taken it or not: the stop button. Its runtime can change nothing
        from now on."""
        return data(turn_json(await use_cases.cancel_turn(resources.pool, caller, conversation_id, turn_id)))

    both = create_api_router("", [])
    both.include_router(secret)
    both.include_router(router)
    return both
