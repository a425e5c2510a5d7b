"""HTTP of usage."""

from typing import Annotated

from fastapi import Query

from chat.usage import use_cases
from chat.usage.rules import days_of
from chat.usage.wire import Day, UsageJson, UserIdQuery, usage_json
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam, check_operator
from servicekit.openapi import answering
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam

NOT_YOURS = {403: "Another user's, and the caller is no operator."}

router = create_api_router("/api/usage", ["usage"])


@router.get("", **answering(UsageJson, errors=NOT_YOURS))
async def get_usage(
    caller: CallerParam,
    resources: ResourcesParam,
    first: Annotated[
        Day | None, Query(alias="from", description="default: the first day of the month")
    ] = None,
    last: Annotated[Day | None, Query(alias="to", description="default: today, in UTC")] = None,
    user_id: UserIdQuery = None,
) -> JSONAnswer:
    """Messages and tokens by agent, model and day: the caller's, or with the scope `operator` any user's."""
    if user_id is not None and user_id != caller.user_id:
        check_operator(caller)
    of = user_id or caller.user_id
    days = days_of(first, last)
    return data(usage_json(of, days, await use_cases.list_used(resources.pool, of, days)))
