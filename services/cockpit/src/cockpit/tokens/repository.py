"""SQL of registration tokens. Each function runs its one statement on the caller's connection."""

from common.postgres import Connection

UPSERT_REGISTRATION = """
INSERT INTO cockpit_registration_tokens (user_id, token) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET token = excluded.token, updated_at = clock_timestamp()
"""


async def upsert_registration(connection: Connection, user_id: str, token: bytes) -> None:
    """Keep the user's token, encrypted."""
    await connection.execute(UPSERT_REGISTRATION, user_id, token)


GET_REGISTRATION = "SELECT token FROM cockpit_registration_tokens WHERE user_id = $1"


async def get_registration(connection: Connection, user_id: str) -> bytes | None:
    """The user's token, encrypted; None if there is none."""
    token: bytes | None = await connection.fetchval(GET_REGISTRATION, user_id)
    return token
