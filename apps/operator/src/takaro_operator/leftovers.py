"""What is left of a user: in tables, streams or topics, dead letters, and the queue ``kb-sync``."""

from dataclasses import dataclass
from typing import Literal

from backbone import outbox, queued_jobs, user_data
from backbone.dead_letters import DEAD, dead_stream
from backbone.entry_store import open_entries
from backbone.leftovers import count_entries
from common.errors import TransientError
from common.postgres import Connection
from takaro_operator.entries import FACTS, KNOWN_STREAMS
from takaro_operator.errors import Failure
from takaro_operator.settings import OperatorSettings


@dataclass(slots=True, frozen=True)
class Leftover:
    """What was found in one place: ``table.column``, a stream or topic, or a state of the queue."""

    kind: Literal["table", "stream", "dead letters", "jobs"]
    place: str
    count: int


async def find_leftovers(settings: OperatorSettings, connection: Connection, user_id: str) -> list[Leftover]:
    """Read all tables with users' ids, the outbox, all entries, and all jobs. Facts that tell of an erasure
    don't count."""
    found = []
    for table, column in await user_data.list_owner_columns(connection):
        if rows := await user_data.count_rows(connection, table, column, user_id):
            found.append(Leftover("table", f"{table}.{column}", rows))
    waiting = {stream: await outbox.count_of_user(connection, stream, user_id) for stream in FACTS}
    found += [Leftover("table", f"outbox of {stream}", count) for stream, count in waiting.items() if count]
    streams = [name for stream in KNOWN_STREAMS for name in (stream, dead_stream(stream))]
    streams.sort(key=lambda name: name not in FACTS)  # facts say whose the other entries are
    try:
        async with open_entries(settings.bus_url) as entries:
            counts = await count_entries(entries, connection, streams, user_id)
    except TransientError as error:
        raise Failure(f"{error}: is it running, and is EVENT_BUS_URL right?") from error
    for stream, count in counts.items():
        found.append(Leftover("dead letters" if stream.endswith(DEAD) else "stream", stream, count))
    states: dict[str, int] = {}
    async with queued_jobs.open_queue(settings.redis_url) as queue:
        async for page in queued_jobs.find_erased(queue, connection, user_id):
            for job in page:
                states[job.state] = states.get(job.state, 0) + 1
    found += [Leftover("jobs", f"{queued_jobs.KEY}:{state}", count) for state, count in states.items()]
    return found
