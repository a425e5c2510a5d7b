"""Which agents a runtime serves now, as this process knows it: asking costs no statement."""

from time import monotonic

from opentelemetry.instrumentation.utils import suppress_instrumentation

from backbone.names import AGENTS_CHANNEL
from chat.agents.records import CUSTOM_PREFIX, EVERY_VERSION
from chat.announcements import repository
from chat.announcements.records import Experiments
from common.notifications import Notifications
from common.postgres import Connection, Pool
from contracts.chat import ALL_CUSTOM_AGENTS

LOOK_SECONDS = 2.0
"""An announcement whose notification was lost counts after this time at the latest."""
KNOWN_SECONDS = 6.0
"""A look that is older says nothing any more: the database was away, or this process was frozen."""


class ServedAgents:
    """What is announced and has not expired. An announcement ends by itself, also while the database is away:
    the time that it has left is counted from the last look.

    Nothing is known before the first look, nor when the last one is too old: then who must know looks itself.
    """

    def __init__(self) -> None:
        self._looked_at: float | None = None
        self._ends: dict[str, dict[str, float]] = {}

    def is_served(self, agent_id: str, agent_version: str | None) -> bool:
        """Whether some runtime serves this version of the agent now. ``custom:*`` serves all custom
        agents."""
        now = monotonic()
        names = [agent_id]
        if agent_id.startswith(CUSTOM_PREFIX):
            names = [agent_id.lower(), ALL_CUSTOM_AGENTS]
        return any(
            ends.get(version, now) > now
            for ends in (self._ends.get(name, {}) for name in names)
            for version in (EVERY_VERSION, agent_version)
            if version is not None
        )

    def is_known(self) -> bool:
        """Whether the last look is recent enough to say who is served."""
        return self._looked_at is not None and monotonic() - self._looked_at < KNOWN_SECONDS

    def nobody(self) -> bool:
        """Whether no agent is served, for certain."""
        now = monotonic()
        if not self.is_known():
            return False
        return not any(end > now for ends in self._ends.values() for end in ends.values())

    def experiments(self) -> Experiments:
        """What is served now, by agent, the default experiment first."""
        now = monotonic()
        found = {agent: [e for e, end in ends.items() if end > now] for agent, ends in self._ends.items()}
        return {agent: experiments for agent, experiments in found.items() if experiments}

    async def look(self, connection: Connection) -> None:
        """Read what is served, with what the connection's own transaction has announced."""
        began = monotonic()
        ends: dict[str, dict[str, float]] = {}
        for each in await repository.list_serving(connection):
            ends.setdefault(each.agent_id, {})[each.experiment] = began + each.seconds
        self._ends, self._looked_at = ends, began

    async def follow(self, pool: Pool, notifications: Notifications) -> None:
        """Look whenever a runtime began or ceased to serve, and every two seconds, until cancelled."""
        with suppress_instrumentation():
            async with notifications.subscribe(AGENTS_CHANNEL) as changed:
                while True:
                    async with pool.acquire() as connection:
                        await self.look(connection)
                    await changed.wait(LOOK_SECONDS)
