"""HTTP of erasures: users erase themselves, operators anybody."""

from uuid import UUID

from chat.erasing import use_cases
from chat.erasing.wire import (
    LOCATION,
    EraseUser,
    ErasureId,
    ErasureJson,
    ReceiptJson,
    address_of,
    erasure_json,
    receipt_json,
)
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam, OperatorParam
from servicekit.openapi import answering
from servicekit.routing import create_api_router
from servicekit.scopes import OPERATOR
from servicekit.service import ResourcesParam

router = create_api_router("/api", ["erasures"])


@router.delete("/users/me", **answering(ErasureJson, status=202, headers=LOCATION))
async def erase_me(caller: CallerParam, resources: ResourcesParam) -> JSONAnswer:
    """Erase everything that all services store of the caller. It begins within seconds; nothing brings it
    back."""
    return _accepted(await use_cases.request_erasure(resources.pool, caller.user_id))


@router.post(
    "/erasures",
    **answering(
        ErasureJson,
        status=202,
        headers=LOCATION,
        errors={403: "The caller has no token with the scope `operator`."},
    ),
)
async def erase_user(body: EraseUser, operator: OperatorParam, resources: ResourcesParam) -> JSONAnswer:
    """Erase everything that all services store of a user."""
    del operator  # it is one
    return _accepted(await use_cases.request_erasure(resources.pool, body.user_id))


@router.get(
    "/erasures/{erasureId}",
    **answering(
        ReceiptJson,
        errors={403: "It is another user's erasure.", 404: "There is no such erasure."},
    ),
)
async def get_erasure(erasure_id: ErasureId, caller: CallerParam, resources: ResourcesParam) -> JSONAnswer:
    """What was erased so far, by service, table and stream. For the user who was erased, and operators."""
    receipts = await use_cases.list_receipts(
        resources.pool, erasure_id, caller.user_id, everybodys=OPERATOR in caller.scopes
    )
    return data(receipt_json(erasure_id, receipts))


def _accepted(erasure_id: UUID) -> JSONAnswer:
    answer = data(erasure_json(erasure_id), status=202)
    answer.headers["Location"] = address_of(erasure_id)
    return answer
