"""HTTP on which runtimes show their work, in one long request."""

from contextlib import aclosing
from dataclasses import replace

from fastapi import APIRouter, Request

from chat.conversations.wire import ConversationId
from chat.pieces.lines import read_lines
from chat.pieces.records import Limits, NewPieces
from chat.pieces.rules import encode, read_piece
from chat.pieces.use_cases import check_turn, create_showing
from chat.pieces.wire import BODY, REFUSED, ShownJson
from chat.runtimes.use_cases import find_owner
from chat.turn_streams.feed import TurnFeed
from chat.turns.rules import digest_of
from chat.turns.wire import RequiredTurnTokenParam, TurnId
from common.errors import PermanentError
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.routing import LongRoute, create_api_router
from servicekit.service import ResourcesParam

LOOK_SECONDS = 5.0
"""After so long without a piece it is seen whether the turn still runs."""


def create_router(limits: Limits, feed: TurnFeed) -> APIRouter:
    """Routes of what turns show, within ``limits``, to those who follow in ``feed`` and elsewhere."""
    router = create_api_router(
        "/api/conversations/{conversationId}/turns/{turnId}", ["turns"], route_class=LongRoute
    )
    show = create_showing(limits, feed.stored)

    @router.post("/chunks", openapi_extra={"requestBody": BODY}, **answering(ShownJson, errors=REFUSED))
    async def show_pieces(
        conversation_id: ConversationId,
        turn_id: TurnId,
        token: RequiredTurnTokenParam,
        request: Request,
        caller: CallerParam,
        resources: ResourcesParam,
    ) -> JSONAnswer:
        """Show what a turn does while it does it: each line is a piece, stored and relayed as it comes. The
        request may be as long as the turn. A piece whose number is stored already is passed over, so after an
        error everything may be sent again."""
        nothing = NewPieces(conversation_id, turn_id, digest_of(token), (), ())
        await find_owner(resources.pool, caller, conversation_id)
        last, read = None, 0
        async with aclosing(read_lines(request, limits.piece_bytes, LOOK_SECONDS)) as arriving:
            async for lines in arriving:
                if not lines:
                    last = await check_turn(resources.pool, nothing)
                    continue
                pieces = [read_piece(line, read + place) for place, line in enumerate(lines, start=1)]
                read += len(lines)
                new = replace(nothing, pieces=pieces, encoded=list(map(encode, pieces)))
                outcome = await show(resources.pool, new)
                if isinstance(outcome, PermanentError):
                    raise outcome
                last = outcome
        if last is None:
            last = await check_turn(resources.pool, nothing)
        return data({"turnId": str(turn_id), "lastNumber": last})

    return router
