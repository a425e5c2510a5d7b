"""What a run does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.services import ServiceName


@dataclass(slots=True, frozen=True)
class Plan:
    """What a run does. Below ``least_kills`` of chat, ``least_kills_elsewhere`` of each other service, or
    ``least_redeliveries`` to chat, it has proved nothing, and fails.

    ``commands`` are chat's; a service without processes has no load, and without ``runtimes`` there are no
    turns. The gaps are seconds, from and to; ``strike_gap`` is that between kills of runtimes, or of the
    chats that they ask.
    """

    seed: int
    folder: Path
    commands: int = 10_000
    conversations: int = 200
    seconds: float = 105.0
    processes: int = 3
    cockpit_processes: int = 2
    knowledge_processes: int = 2
    runtimes: int = 4
    kill_gap: tuple[float, float] = (1.0, 3.0)
    cockpit_kill_gap: tuple[float, float] = (3.0, 7.0)
    knowledge_kill_gap: tuple[float, float] = (8.0, 14.0)
    strike_gap: tuple[float, float] = (1.0, 2.5)
    weather_gap: tuple[float, float] = (3.0, 7.0)
    least_kills: int = 40
    least_redeliveries: int = 10
    without: tuple[str, ...] = ()

    @property
    def sizes(self) -> Mapping[ServiceName, int]:
        """How many processes of each service."""
        return {
            "chat": self.processes,
            "cockpit": self.cockpit_processes,
            "knowledge": self.knowledge_processes,
        }

    @property
    def kill_gaps(self) -> Mapping[ServiceName, tuple[float, float]]:
        return {
            "chat": self.kill_gap,
            "cockpit": self.cockpit_kill_gap,
            "knowledge": self.knowledge_kill_gap,
        }

    @property
    def least_kills_elsewhere(self) -> int:
        return max(1, self.least_kills // 10)

    @property
    def says(self) -> int:
        """Lines for cockpit to say."""
        return self.commands // 8

    @property
    def sessions(self) -> int:
        """Sessions in which they are said."""
        return max(2, self.conversations // 16)

    @property
    def deletions(self) -> int:
        """Conversations that are deleted while their server runs."""
        return max(2, self.commands // 250)

    @property
    def questions(self) -> int:
        """Messages to an agent that runtimes serve."""
        return self.commands // 80

    @property
    def asking(self) -> int:
        """Conversations in which they are sent."""
        return max(3, self.conversations // 16)

    @property
    def syncs(self) -> int:
        """Syncs that are requested, of ``bases`` knowledge bases."""
        return max(4, self.commands // 250)

    @property
    def bases(self) -> int:
        return 3
