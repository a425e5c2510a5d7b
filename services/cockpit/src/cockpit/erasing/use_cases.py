"""Erases what cockpit stores of a user, a bounded number of rows in each transaction."""

from collections.abc import Sequence
from functools import partial

from backbone.entry_store import EntryStore
from backbone.erasing import Erased, ServiceErasing, erase_answers
from backbone.sweeping import Sweep, uuids_of
from backbone.user_data import delete_rows
from cockpit.erasing import repository as sessions
from cockpit.erasing.rules import OF_SERVER, OF_TOKENS
from cockpit.servers import repository
from cockpit.servers.stopping import stop_orphaned_server
from cockpit.servers.use_cases import lock_batch
from common.postgres import Connection
from contracts.cockpit import COMMANDS_STREAM, FACTS_STREAM, UserErased

SESSIONS_AT_ONCE = 100
EVENTS_AT_ONCE = 1_000


def create_erasing() -> ServiceErasing:
    """What cockpit does to erase a user."""
    return ServiceErasing(
        "cockpit",
        [erase_sessions, erase_server, erase_tokens, partial(erase_answers, service="cockpit")],
        FACTS_STREAM,
        UserErased,
    )


def create_sweep(entries: EntryStore) -> Sweep:
    """What cockpit does to erase entries of a user."""
    return Sweep("cockpit", entries, [COMMANDS_STREAM], FACTS_STREAM, list_existing)


async def list_existing(connection: Connection, subjects: Sequence[str]) -> set[str]:
    """Which of these are sessions."""
    return {str(each) for each in await sessions.list_existing(connection, uuids_of(subjects))}


async def erase_sessions(connection: Connection, user_id: str) -> Erased:
    """Delete some sessions, with their events. A server that ran in one of them stops, with its fact."""
    await lock_batch(connection, [], [user_id])
    counts = await delete_rows(connection, {"cockpit_sessions": "user_id"}, user_id, SESSIONS_AT_ONCE)
    if counts and await repository.lock_server(connection, user_id):
        await stop_orphaned_server(connection, user_id)
    return Erased(counts)


async def erase_server(connection: Connection, user_id: str) -> Erased:
    """Delete the user's game server, once it runs in no session, with what Takaro hasn't been told."""
    await lock_batch(connection, [], [user_id])
    if not await repository.lock_server(connection, user_id):
        return Erased({})
    await stop_orphaned_server(connection, user_id)
    return Erased(await delete_rows(connection, OF_SERVER, user_id, EVENTS_AT_ONCE))


async def erase_tokens(connection: Connection, user_id: str) -> Erased:
    """Delete the registration token of the user's domain."""
    return Erased(await delete_rows(connection, OF_TOKENS, user_id, 1))
