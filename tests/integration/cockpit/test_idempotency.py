"""Cockpit's POSTs with an Idempotency-Key."""

from common.postgres import Pool
from tests.integration.cockpit.conftest import Cockpit
from tests.support.repeats import expect_one_effect

# What is shown to tabs, and the facts of the session.
EFFECTS = """
SELECT (SELECT count(*) FROM cockpit_events) + (SELECT sum(event_sequence) FROM cockpit_sessions)
"""


async def test_each_post_commits_its_effect_with_its_answer(
    ann: Cockpit, pool: Pool, package_database: str
) -> None:
    async def effects() -> int:
        return int(await pool.fetchval(EFFECTS))

    session = f"/api/cockpit/sessions/{ann.session_id}"
    for path, body in (
        ("mock-server/start", None),
        ("mock-server/command", {"command": "ban 2 griefing"}),
        ("select-player", {"playerId": "3"}),
        ("mock-server/stop", None),
    ):
        await expect_one_effect(package_database, ann.client, f"{session}/{path}", body, effects)
    assert (await ann.status())["status"] == "stopped"
