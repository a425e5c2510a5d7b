"""HTTP of quotas: everybody reads their own, operators read and set them."""

from fastapi import APIRouter

from chat.quotas import use_cases
from chat.quotas.limited import LimitedUsers
from chat.quotas.records import EVERYBODY, Kind
from chat.quotas.wire import (
    OPERATORS_ONLY,
    EverybodyQuery,
    MeasurePath,
    PeriodPath,
    QuotaJson,
    SetLimits,
    UserIdQuery,
    quota_json,
    set_json,
)
from common.errors import Invalid
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam, OperatorParam, check_operator
from servicekit.forms import SuccessJson
from servicekit.openapi import answering, answering_bare
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam


def create_router(limited: LimitedUsers) -> APIRouter:
    """Routes of quotas. ``limited`` is told of changes at once; other processes by a notification."""
    router = create_api_router("/api/quotas", ["quotas"])

    @router.get("", **answering(list[QuotaJson], errors=OPERATORS_ONLY))
    async def list_quotas(
        caller: CallerParam,
        resources: ResourcesParam,
        user_id: UserIdQuery = None,
        everybody: EverybodyQuery = False,
    ) -> JSONAnswer:
        """The caller's quotas with what is used of them; for operators any user's, or everybody's limits."""
        if everybody or (user_id is not None and user_id != caller.user_id):
            check_operator(caller)
        if everybody:
            _one_of(user_id, everybody=True)
            return data([set_json(each) for each in await use_cases.list_set(resources.pool, EVERYBODY)])
        quotas = await use_cases.list_quotas(resources.pool, user_id or caller.user_id)
        return data([quota_json(each) for each in quotas])

    @router.put("/{measure}/{period}", **answering_bare(SuccessJson, errors=OPERATORS_ONLY))
    async def set_quota(
        measure: MeasurePath,
        period: PeriodPath,
        body: SetLimits,
        operator: OperatorParam,
        resources: ResourcesParam,
        user_id: UserIdQuery = None,
        everybody: EverybodyQuery = False,
    ) -> JSONAnswer:
        """Set a user's quota, or everybody's. It counts what was used before, too."""
        of = _one_of(user_id, everybody=everybody)
        await use_cases.set_quota(resources.pool, of, Kind(measure, period), body.limits(), operator.user_id)
        limited.forget()
        return JSONAnswer({"success": True})

    @router.delete(
        "/{measure}/{period}",
        **answering_bare(SuccessJson, errors=OPERATORS_ONLY | {404: "There is no such quota."}),
    )
    async def remove_quota(
        measure: MeasurePath,
        period: PeriodPath,
        operator: OperatorParam,
        resources: ResourcesParam,
        user_id: UserIdQuery = None,
        everybody: EverybodyQuery = False,
    ) -> JSONAnswer:
        """Remove a user's quota, or everybody's."""
        del operator  # it is one
        of = _one_of(user_id, everybody=everybody)
        await use_cases.remove_quota(resources.pool, of, Kind(measure, period))
        return JSONAnswer({"success": True})

    return router


def _one_of(user_id: str | None, *, everybody: bool) -> str:
    """Whose quota it is. Raises :class:`Invalid` unless exactly one is named: a forgotten ``userId`` mustn't
    limit everybody."""
    if (user_id is None) != everybody:
        raise Invalid("Validation failed", details={"userId": ["give userId or everybody=true, not both"]})
    return EVERYBODY if user_id is None else user_id
