"""The running service erases a user, and goes on after it was killed in the midst."""

from backbone import erasures
from common.postgres import Pool, transaction
from tests.integration.cockpit.conftest import Converse, open_cockpit
from tests.support.services import Service
from tests.support.wait import eventually

SESSIONS = """
WITH made AS (
    INSERT INTO conversations (agent_id, agent_version, user_id)
    SELECT 'module-writer', 'grok-fast', 'ann' FROM generate_series(1, 150)
    RETURNING id
)
INSERT INTO cockpit_sessions (conversation_id, user_id) SELECT id, 'ann' FROM made
"""
LOCK_LAST = "SELECT FROM cockpit_sessions WHERE ctid = (SELECT max(ctid) FROM cockpit_sessions) FOR UPDATE"
COUNTS = """
SELECT coalesce((counts ->> 'cockpit_sessions')::int, 0) FROM erasures WHERE id = $1 AND service = 'cockpit'
"""


async def test_a_service_that_was_killed_goes_on_and_counts_each_row_once(
    cockpit: Service, pool: Pool, converse: Converse
) -> None:
    async with cockpit.client("ann") as client:
        await (await open_cockpit(client, await converse("ann"))).start()
    await pool.execute(SESSIONS)
    async with transaction(pool) as blocking:
        await blocking.execute(LOCK_LAST)
        async with transaction(pool) as connection:
            erasure = await erasures.request(connection, "ann")
        assert await eventually(lambda: pool.fetchval(COUNTS, erasure)) == 100
        await cockpit.kill()
    await cockpit.start()

    async def finished() -> erasures.Receipt:
        async with pool.acquire() as connection:
            receipts = await erasures.list_receipts(connection, erasure)
        [receipt] = [each for each in receipts if each.service == "cockpit"]
        assert receipt.finished_at
        return receipt

    assert dict((await eventually(finished)).counts) == {"cockpit_sessions": 151, "cockpit_game_servers": 1}
    assert await pool.fetchval("SELECT count(*) FROM cockpit_sessions WHERE user_id = 'ann'") == 0
