"""HTTP of states."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from starlette.responses import Response

from chat.conversations.acting import acting_for
from chat.conversations.wire import NOT_FOUND, ConversationId
from chat.states import history, use_cases
from chat.states.records import Author, Limits, State, StateEdit
from chat.states.wire import (
    LOST_RACE,
    UNCHANGED,
    KeptStateJson,
    ReplaceState,
    StateJson,
    StateVersionJson,
    Version,
    kept_state_json,
    state_json,
    version_json,
)
from chat.turns.rules import digest_if_any
from chat.turns.wire import TurnTokenParam
from common.errors import Invalid
from contracts.storable import JsonObject
from servicekit.answers import JSONAnswer, data
from servicekit.auth import Caller, CallerParam
from servicekit.conditions import ETAG, ConditionParam, ExpectedVersion, entity_tag, is_unchanged
from servicekit.keysets import Keyset, Place
from servicekit.list_parameters import CursorParam, LimitParam, OrderParam
from servicekit.openapi import answering, answering_list
from servicekit.routing import create_api_router
from servicekit.service import Resources, ResourcesParam
from servicekit.streamed_lists import streamed_data

VERSIONS = Keyset("versions of a state", tuple[Place], order="desc")
NO_VERSION = NOT_FOUND | {404: "There is no such conversation, or the version isn't kept."}
ExpectedVersionParam = Annotated[
    ExpectedVersion | None,
    Query(alias="expectedVersion", description="The version to change. For any other the answer is 409."),
]


def _answering(declared: Mapping[int, Any]) -> dict[str, Any]:
    """As :func:`answering` with a state, and what ``declared`` says of other statuses."""
    route = answering(StateJson, errors=NOT_FOUND, headers=ETAG)
    return {**route, "responses": {**route["responses"], **declared}}


def create_router(limits: Limits) -> APIRouter:
    """Routes of states within ``limits``."""
    router = create_api_router("/api/conversations/{conversationId}/state", ["state"])

    async def _change(resources: Resources, caller: Caller, edit: StateEdit, token: str | None) -> JSONAnswer:
        pool = resources.pool
        user_id = await acting_for(pool, caller, edit.conversation_id, turn_token=token, writes=True)
        return _answer(await use_cases.edit_state(pool, user_id, edit, limits))

    @router.get("", **_answering(UNCHANGED))
    async def get_state(
        conversation_id: ConversationId,
        caller: CallerParam,
        resources: ResourcesParam,
        condition: ConditionParam,
    ) -> Response:
        """State and version; the version is the ``ETag`` too."""
        user_id = await acting_for(resources.pool, caller, conversation_id)
        state = await use_cases.get_state(resources.pool, user_id, conversation_id, condition)
        if is_unchanged(condition, state.version):
            return Response(status_code=304, headers={"ETag": entity_tag(state.version)})
        return _answer(state)

    @router.patch("", **_answering(LOST_RACE))
    async def patch_state(
        conversation_id: ConversationId,
        patch: Annotated[JsonObject, Body(media_type="application/merge-patch+json")],
        caller: CallerParam,
        resources: ResourcesParam,
        condition: ConditionParam,
        expected_version: ExpectedVersionParam = None,
        token: TurnTokenParam = None,
    ) -> JSONAnswer:
        """Change the state by a JSON merge patch (RFC 7396); 413 if it becomes too large."""
        edit = StateEdit(
            conversation_id,
            patch,
            Author(user_id=caller.user_id),
            replace(condition, expected_version=expected_version),
            turn_sha256=digest_if_any(token),
        )
        return await _change(resources, caller, edit, token)

    @router.put("", **_answering(LOST_RACE))
    async def replace_state(
        conversation_id: ConversationId,
        body: ReplaceState,
        caller: CallerParam,
        resources: ResourcesParam,
        condition: ConditionParam,
        expected_version: ExpectedVersionParam = None,
        token: TurnTokenParam = None,
    ) -> JSONAnswer:
        """Replace the whole state. ``expectedVersion`` may stand in the body or in the query."""
        given = {body.expected_version, expected_version} - {None}
        if len(given) > 1:
            raise Invalid(
                "Validation failed",
                details={"expectedVersion": ["must be the same in the body and in the query"]},
            )
        demanded = replace(condition, expected_version=next(iter(given), None))
        edit = StateEdit(
            conversation_id,
            body.state,
            Author(user_id=caller.user_id),
            demanded,
            replaces=True,
            turn_sha256=digest_if_any(token),
        )
        return await _change(resources, caller, edit, token)

    @router.get("/versions", **answering_list(StateVersionJson, errors=NOT_FOUND))
    async def list_state_versions(
        conversation_id: ConversationId,
        caller: CallerParam,
        resources: ResourcesParam,
        limit: LimitParam = None,
        cursor: CursorParam = None,
        order: OrderParam = None,
    ) -> Response:
        """The versions of the state that are kept, newest first (`order=asc`: oldest), without the states."""
        page = VERSIONS.page(limit, cursor, order, conversation_id)
        pages = history.list_versions(resources.pool, caller.user_id, conversation_id, limits, page)
        return await streamed_data(pages, version_json, page, history.place)

    @router.get("/versions/{version}", **answering(KeptStateJson, errors=NO_VERSION))
    async def get_state_version(
        conversation_id: ConversationId, version: Version, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """The state as it was at a version. To restore it, replace the state by it."""
        kept = await history.get_version(resources.pool, caller.user_id, conversation_id, limits, version)
        return data(kept_state_json(kept))

    return router


def _answer(state: State) -> JSONAnswer:
    answer = data(state_json(state))
    answer.headers["ETag"] = entity_tag(state.version)
    return answer
