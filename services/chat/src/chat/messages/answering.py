"""Whether who says something gets the answer as a stream, and what that shows: the turn that answers it."""

from collections.abc import AsyncIterator
from time import monotonic
from uuid import UUID

from chat.announcements.served import ServedAgents
from chat.conversations.repository import get_agent
from chat.turn_streams import repository
from chat.turn_streams.feed import TurnFeed
from chat.turn_streams.records import Opened, Over, Step, Unanswered
from chat.turn_streams.use_cases import follow
from common.postgres import Pool
from servicekit.accepting import Accepted
from servicekit.auth import Caller

_END = 2**31 - 1

NO_RUNTIME = Unanswered(
    "No runtime serves this agent now, so nobody answers. Your message is stored.", "agent_not_served"
)


class RuntimeTakesIt:
    """Patience until a runtime takes the turn: for so many seconds, and while one serves the agent."""

    def __init__(self, served: ServedAgents, agent_id: str, agent_version: str, seconds: float) -> None:
        self._served, self._agent = served, (agent_id, agent_version)
        self._seconds, self._until = seconds, monotonic() + seconds

    def over(self) -> Unanswered | None:
        """Why nobody will take it; None while there is hope."""
        if self._served.is_known() and not self._served.is_served(*self._agent):
            return NO_RUNTIME
        if monotonic() < self._until:
            return None
        return Unanswered(
            f"No runtime has begun to answer within {self._seconds:g} seconds. Your message is stored, and "
            "is answered when one does.",
            "turn_not_taken",
        )


async def wants_stream(
    pool: Pool, served: ServedAgents, caller: Caller, conversation_id: UUID, accepted: Accepted
) -> bool:
    """Whether the answer is a stream: who accepts one gets it, and so does every browser with a cookie; who
    says nothing, if some runtime serves the agent."""
    if caller.by_cookie or accepted is not None:
        return caller.by_cookie or accepted == "events"
    if served.nobody():
        return False
    async with pool.acquire() as connection:
        if not served.is_known():
            await served.look(connection)
        found = await get_agent(connection, conversation_id)
    return found is not None and served.is_served(found.agent_id, found.agent_version)


async def follow_answer(
    pool: Pool,
    feed: TurnFeed,
    served: ServedAgents,
    conversation_id: UUID,
    sequence: int,
    wait_seconds: float,
) -> AsyncIterator[Step]:
    """The turn that answers the message with this sequence, from its first piece, as :func:`follow` has it.

    A message that waits for the end of another turn waits here too. The last step is :class:`Unanswered` if
    no turn was requested, or no runtime takes it in time.
    """
    yield Opened()
    while True:
        async with pool.acquire() as connection:
            agent = await get_agent(connection, conversation_id)
            found = await repository.find_answering(connection, conversation_id, sequence)
        if agent is None:
            yield Over(None)
            return
        if found is None:
            yield NO_RUNTIME
            return
        if found.answers:
            break
        async for _ in follow(pool, feed, conversation_id, found.turn_id, _END):
            pass  # only its end matters
    patience = RuntimeTakesIt(served, agent.agent_id, agent.agent_version, wait_seconds)
    async for step in follow(pool, feed, conversation_id, found.turn_id, 0, patience):
        yield step
