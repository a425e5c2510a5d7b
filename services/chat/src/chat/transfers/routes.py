"""HTTP of what is moved in bulk."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from chat.announcements.served import ServedAgents
from chat.conversations.acting import acting_for
from chat.conversations.wire import NOT_FOUND, ConversationId
from chat.messages.wire import ID_REUSED, MessageJson, message_json
from chat.quotas.limited import LimitedUsers
from chat.quotas.use_cases import within
from chat.quotas.wire import EXCEEDED, WARNED, WARNING
from chat.transfers import exporting, importing, use_cases
from chat.transfers.lines import EXAMPLE, MEDIA_TYPE
from chat.transfers.records import ImportLimits
from chat.transfers.rules import check_sizes
from chat.transfers.wire import AppendInBulk, ImportedJson
from chat.turns.rules import digest_if_any
from chat.turns.wire import NOT_YOUR_TURN, TurnTokenParam
from common.errors import TransientError
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.openapi import answering, answering_text
from servicekit.request_bodies import MAX_BODY_BYTES, save_body
from servicekit.routing import StreamingRoute, create_api_router
from servicekit.service import ResourcesParam

IMPORTS_AT_ONCE = 2
"""Of one process: each has a file of up to ``IMPORT_MAX_BYTES``, and one transaction."""
BODY = {
    "required": True,
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}},
}
REFUSED_IN_BULK = {409: f"{ID_REUSED[409]} {NOT_YOUR_TURN}"}
REFUSED = {
    400: "A line isn't as an export writes it: `details` names the line.",
    408: "The request came too slowly.",
    409: "Another conversation or message with an id of the file exists.",
    413: "The file, a line, the state or a message is too large.",
    503: "Something that the service needs is away, or other imports run: try again after `Retry-After`.",
}


def create_router(
    limits: ImportLimits, import_max_bytes: int, limited: LimitedUsers, served: ServedAgents | None = None
) -> APIRouter:
    """Routes of what is moved in bulk, within ``limits``. The quotas of ``limited`` users hold for what is
    appended, and it asks for turns of agents that are ``served``; what is imported was counted when it was
    new."""
    message_max_bytes = limits.message_bytes
    importing_now = asyncio.Semaphore(IMPORTS_AT_ONCE)
    router = create_api_router("/api/conversations", ["messages"])
    streaming = create_api_router("", ["messages"], route_class=StreamingRoute)
    max_bytes_of_all = max(message_max_bytes, MAX_BODY_BYTES)

    @router.post(
        "/{conversationId}/messages/bulk",
        **answering(list[MessageJson], errors=NOT_FOUND | REFUSED_IN_BULK | EXCEEDED, headers=WARNED),
    )
    async def append_in_bulk(
        conversation_id: ConversationId,
        body: AppendInBulk,
        caller: CallerParam,
        resources: ResourcesParam,
        token: TurnTokenParam = None,
    ) -> JSONAnswer:
        """Append up to 1,000 messages of any role in this order: all of them, or none. While a turn runs, its
        runtime alone appends others than users'."""
        user_id = await acting_for(resources.pool, caller, conversation_id, turn_token=token, writes=True)
        digest = digest_if_any(token)
        messages = [message.message(conversation_id, user_id, digest) for message in body.messages]
        check_sizes(messages, message_max_bytes, max_bytes_of_all)
        append = partial(use_cases.append_in_bulk, resources.pool, user_id, conversation_id, messages, served)
        ids = [message.id for message in messages]
        stored, warning = await within(limited, resources.pool, user_id, append, ids)
        answer = data([message_json(str(conversation_id), message) for message in stored])
        if warning:
            answer.headers[WARNING] = warning
        return answer

    @router.get(
        "/{conversationId}/export",
        response_class=StreamingResponse,  # not JSON
        **answering_text(
            MEDIA_TYPE,
            "The conversation, the versions of its state, its messages, the end.",
            EXAMPLE,
            errors=NOT_FOUND,
        ),
    )
    async def export_conversation(
        conversation_id: ConversationId,
        caller: CallerParam,
        resources: ResourcesParam,
        state_history: Annotated[
            bool, Query(alias="stateHistory", description="With the versions that the state had.")
        ] = True,
    ) -> Response:
        """A conversation with everything that is stored of it, as JSON Lines."""
        lines = exporting.export_conversation(
            resources.pool, caller.user_id, conversation_id, limits.states, state_history=state_history
        )
        first = await anext(lines)
        headers = {"Content-Disposition": f'attachment; filename="{conversation_id}.jsonl"'}
        return StreamingResponse(_after(first, lines), media_type=MEDIA_TYPE, headers=headers)

    @streaming.post(
        "/api/imports", openapi_extra={"requestBody": BODY}, **answering(ImportedJson, errors=REFUSED)
    )
    async def import_conversation(
        request: Request,
        caller: CallerParam,
        resources: ResourcesParam,
        copy: Annotated[bool, Query(description="Give the conversation and its messages new ids.")] = False,
    ) -> JSONAnswer:
        """Import what was exported, as the caller's conversation: all of it, or nothing. What the caller has
        already, exactly as in the file, stays."""
        if importing_now.locked():
            raise TransientError("Other conversations are imported now: try again", code="imports_busy")
        async with importing_now:
            file = await asyncio.to_thread(tempfile.TemporaryFile)
            try:
                idle_seconds = request.app.state.body_timeout_seconds
                await save_body(request, file, import_max_bytes, idle_seconds)
                imported = await importing.import_conversation(
                    resources.pool, caller.user_id, file, limits, copy=copy
                )
            finally:
                await asyncio.to_thread(file.close)
        return data({"id": str(imported.id), "messages": imported.messages})

    both = create_api_router("", [])
    both.include_router(router)
    both.include_router(streaming)
    return both


async def _after(first: bytes, lines: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(lines):
        yield first
        async for line in lines:
            yield line
