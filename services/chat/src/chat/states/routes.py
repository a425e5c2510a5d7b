"""HTTP of states."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from starlette.responses import Response

from chat.conversations.wire import NOT_FOUND, ConversationId
from chat.states import use_cases
from chat.states.conditions import entity_tag, is_unchanged
from chat.states.records import State, StateEdit
from chat.states.wire import (
    ETAG,
    LOST_RACE,
    UNCHANGED,
    ConditionParam,
    ExpectedVersion,
    ReplaceState,
    StateJson,
    state_json,
)
from common.errors import Invalid
from contracts.storable import JsonObject
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam

ExpectedVersionParam = Annotated[
    ExpectedVersion | None,
    Query(alias="expectedVersion", description="The version to change. For any other the answer is 409."),
]


def _answering(declared: Mapping[int, Any]) -> dict[str, Any]:
    """As :func:`answering` with a state, and what ``declared`` says of other statuses."""
    route = answering(StateJson, errors=NOT_FOUND, headers=ETAG)
    return {**route, "responses": {**route["responses"], **declared}}


def create_router(state_max_bytes: int) -> APIRouter:
    """Routes of states of at most ``state_max_bytes``."""
    router = create_api_router("/api/conversations/{conversationId}/state", ["state"])

    @router.get("", **_answering(UNCHANGED))
    async def get_state(
        conversation_id: ConversationId,
        caller: CallerParam,
        resources: ResourcesParam,
        condition: ConditionParam,
    ) -> Response:
        """State and version; the version is the ``ETag`` too."""
        state = await use_cases.get_state(resources.pool, caller.user_id, conversation_id, condition)
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
    ) -> JSONAnswer:
        """Change the state by a JSON merge patch (RFC 7396); 413 if it becomes too large."""
        edit = StateEdit(conversation_id, patch, replace(condition, expected_version=expected_version))
        return _answer(await use_cases.edit_state(resources.pool, caller.user_id, edit, state_max_bytes))

    @router.put("", **_answering(LOST_RACE))
    async def replace_state(
        conversation_id: ConversationId,
        body: ReplaceState,
        caller: CallerParam,
        resources: ResourcesParam,
        condition: ConditionParam,
        expected_version: ExpectedVersionParam = None,
    ) -> JSONAnswer:
        """Replace the whole state. ``expectedVersion`` may stand in the body or in the query."""
        given = {body.expected_version, expected_version} - {None}
        if len(given) > 1:
            raise Invalid(
                "Validation failed",
                details={"expectedVersion": ["must be the same in the body and in the query"]},
            )
        demanded = replace(condition, expected_version=next(iter(given), None))
        edit = StateEdit(conversation_id, body.state, demanded, replaces=True)
        return _answer(await use_cases.edit_state(resources.pool, caller.user_id, edit, state_max_bytes))

    return router


def _answer(state: State) -> JSONAnswer:
    answer = data(state_json(state))
    answer.headers["ETag"] = entity_tag(state.version)
    return answer
