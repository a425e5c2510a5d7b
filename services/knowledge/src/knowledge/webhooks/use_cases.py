"""Syncs what a push touched."""

from uuid import UUID, uuid5

import structlog

from common.postgres import Pool, transaction, tried_again
from knowledge.bases import repository as bases
from knowledge.requests import use_cases as requests
from knowledge.webhooks.records import Push
from knowledge.webhooks.rules import concerns

log = structlog.get_logger()

_DELIVERIES = UUID("8c5bd9d0-6a1b-5a6e-9d0f-3f2f6d9f8a11")
"""Namespace of the ids of syncs that deliveries request."""


@tried_again
async def sync_touched(pool: Pool, push: Push, delivery: str) -> list[tuple[str, str]]:
    """Request a sync of every base that the push concerns. Returns (base id, job id) for each.

    The same ``delivery`` again has no further effect, because it names the same syncs.
    """
    async with transaction(pool) as connection:
        touched = [
            base_id
            for base_id, source, found in await bases.list_sources(connection)
            if concerns(push, source, found)
        ]
        asked = [
            (
                base_id,
                await requests.request_sync(
                    connection,
                    base_id,
                    reason="webhook",
                    sync_id=uuid5(_DELIVERIES, f"{delivery}\n{base_id}"),
                ),
            )
            for base_id in touched
        ]
    log.info("push received", repository=push.repository, ref=push.ref, delivery=delivery, syncs=touched)
    return asked
