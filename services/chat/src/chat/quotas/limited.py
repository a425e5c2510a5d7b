"""Which users have quotas, as this process knows it: whoever has none is asked nothing."""

from backbone.names import QUOTAS_CHANNEL
from chat.quotas import repository
from chat.quotas.records import EVERYBODY
from common.notifications import Notifications
from common.postgres import Pool

LOOK_SECONDS = 5.0
"""A quota whose notification was lost holds after this time at the latest."""


class LimitedUsers:
    """Before the first look, and after a change by this process, everybody may have a quota.

    ``known`` are those that are known from the start, without a look.
    """

    def __init__(self, known: set[str] | None = None) -> None:
        self._known = known

    def nobody(self) -> bool:
        """Whether there are no quotas at all."""
        return self._known is not None and not self._known

    def may_include(self, user_id: str) -> bool:
        """Whether the user may have a quota."""
        return self._known is None or EVERYBODY in self._known or user_id in self._known

    def forget(self) -> None:
        """Ask about everybody until the next look."""
        self._known = None

    async def follow(self, pool: Pool, notifications: Notifications) -> None:
        """Look whenever a quota was set, until cancelled."""
        async with notifications.subscribe(QUOTAS_CHANNEL) as changed:
            while True:
                async with pool.acquire() as connection:
                    self._known = await repository.list_limited(connection)
                await changed.wait(LOOK_SECONDS)
