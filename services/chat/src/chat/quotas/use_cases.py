"""Setting quotas, and keeping to them over HTTP and on the stream.

Who stores messages of a user with a quota holds the lock on the user's count until they are committed, so the
count is exact. It comes before the conversations in the order of locks.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from prometheus_client import Counter

from backbone.names import QUOTAS_CHANNEL
from chat.quotas import repository
from chat.quotas.limited import LimitedUsers
from chat.quotas.records import Kind, Limits, Quota, SetQuota, Wanted
from chat.quotas.rules import check_limits, count, exceeded, warning
from common.ambient import joining
from common.errors import NotFound, QuotaExceeded
from common.notifications import notify
from common.postgres import Connection, Pool, transaction, tried_again

T = TypeVar("T")

WARNED = Counter("takaro_chat_quota_warned_messages_total", "Messages stored at or over a soft limit")
REFUSED = Counter("takaro_chat_quota_refused_messages_total", "Messages refused by a hard limit")


async def list_quotas(pool: Pool, user_id: str) -> list[Quota]:
    """The quotas that hold for a user, with what is used of them."""
    async with pool.acquire() as connection:
        return await repository.list_quotas(connection, [user_id])


async def list_set(pool: Pool, user_id: str) -> list[SetQuota]:
    """The quotas that were set for a user, or for everybody."""
    async with pool.acquire() as connection:
        return await repository.list_set(connection, user_id)


@tried_again
async def set_quota(pool: Pool, user_id: str, kind: Kind, limits: Limits, set_by: str) -> None:
    """Set a user's quota, or everybody's. Raises :class:`common.errors.Invalid`."""
    check_limits(limits)
    async with transaction(pool) as connection:
        await repository.upsert_quota(connection, user_id, kind, limits, set_by)
        await notify(connection, QUOTAS_CHANNEL)


@tried_again
async def remove_quota(pool: Pool, user_id: str, kind: Kind) -> None:
    """Remove a user's quota, or everybody's. Raises :class:`NotFound` if there is none."""
    async with transaction(pool) as connection:
        if not await repository.delete_quota(connection, user_id, kind):
            raise NotFound("There is no such quota", code="quota_not_found")
        await notify(connection, QUOTAS_CHANNEL)


async def within(
    limited: LimitedUsers,
    pool: Pool,
    user_id: str,
    append: Callable[[], Awaitable[T]],
    ids: Sequence[UUID | None] = (None,),
) -> tuple[T, str | None]:
    """What ``append`` returns, which stores messages of the user with these ids (``None``: a new one), and a
    warning if a soft limit is reached. Raises :class:`QuotaExceeded` if they don't fit.

    Messages that are stored already were counted then: they always fit, so that ``append`` can answer with
    them. It joins the transaction that counts, unless the user has no quota.
    """
    if not limited.may_include(user_id):
        return await append(), None
    return await _within(pool, user_id, append, ids)


@tried_again
async def _within(
    pool: Pool, user_id: str, append: Callable[[], Awaitable[T]], ids: Sequence[UUID | None]
) -> tuple[T, str | None]:
    async with transaction(pool) as connection:
        await repository.lock_users(connection, [user_id])
        quotas = await repository.list_quotas(connection, [user_id])
        given = {each for each in ids if each is not None}
        stored = await repository.list_stored(connection, list(given)) if given and quotas else set()
        messages = ids.count(None) + len(given - stored)
        if messages and (error := exceeded(quotas, messages)):
            REFUSED.inc(messages)
            raise error
        with joining(pool, connection):
            result = await append()
        if any(quota.kind.measure == "tokens" for quota in quotas):
            quotas = await repository.list_quotas(connection, [user_id])
        else:
            count(quotas, messages)
    warned = warning(quotas)
    WARNED.inc(messages if warned else 0)
    return result, warned


async def lock_owners(
    limited: LimitedUsers, connection: Connection, conversation_ids: Sequence[UUID]
) -> dict[UUID, str]:
    """Lock the counts of those owners of these conversations who have a quota. Returns them."""
    if limited.nobody() or not conversation_ids:
        return {}
    owners = await repository.list_owners(connection, conversation_ids)
    if owners:
        await repository.lock_users(connection, list(set(owners.values())))
    return owners


async def refuse(
    limited: LimitedUsers, connection: Connection, wanted: Sequence[Wanted]
) -> list[QuotaExceeded | None]:
    """Which messages of a batch may not be stored, in the caller's transaction. They count in their order.

    A message that is stored already was counted then.
    """
    owners = await lock_owners(limited, connection, [each.conversation_id for each in wanted])
    if not owners:
        return [None] * len(wanted)
    quotas: dict[str, list[Quota]] = {}
    for quota in await repository.list_quotas(connection, list(set(owners.values()))):
        quotas.setdefault(quota.user_id, []).append(quota)
    stored = await repository.list_stored(
        connection, [each.id for each in wanted if each.conversation_id in owners]
    )
    outcomes: list[QuotaExceeded | None] = []
    for each in wanted:
        of_owner = quotas.get(owners.get(each.conversation_id, ""), [])
        error = None if each.id in stored else exceeded(of_owner)
        outcomes.append(error)
        if error is None and each.id not in stored:
            count(of_owner, tokens=each.tokens)
            stored.add(each.id)
            WARNED.inc(any(quota.low for quota in of_owner))
    REFUSED.inc(sum(outcome is not None for outcome in outcomes))
    return outcomes
