"""HTTP of sync requests."""

from starlette.responses import Response

from knowledge.bases.wire import NOT_FOUND, BaseId
from knowledge.requests import use_cases
from knowledge.requests.wire import SyncRequestJson, WantedSync
from knowledge.resources import ResourcesParam
from servicekit.answers import data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.routing import create_api_router

router = create_api_router("/api/knowledge-bases", ["knowledge bases"])


@router.post("/{kb_id}/sync", **answering(SyncRequestJson, errors=NOT_FOUND))
async def request_sync(
    kb_id: BaseId, caller: CallerParam, resources: ResourcesParam, body: WantedSync | None = None
) -> Response:
    """Queue a sync. The request is stored when this answers, even if Redis is down."""
    confirmed = body is not None and body.confirm_removal
    job_id = await use_cases.request_sync_of_visible(
        resources.pool, kb_id, caller.user_id, confirm_removal=confirmed
    )
    answer: SyncRequestJson = {"jobId": job_id, "status": "queued"}
    return data(answer)
