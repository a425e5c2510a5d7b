"""Answers to requests that had an ``Idempotency-Key``, committed with the effects of the request.

A key belongs to one user of one service. Who works on it holds its advisory lock to the commit, so of two
requests with one key the second finds the first one's answer, or that it still runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from common.postgres import Connection

TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1)"

GET_ANSWER = """
SELECT digest, status, headers, body FROM idempotency_keys
WHERE service = $1 AND user_id = $2 AND key = $3 AND created_at > now() - make_interval(secs => $4)
"""

UPSERT_ANSWER = """
INSERT INTO idempotency_keys (service, user_id, key, digest, status, headers, body)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (service, user_id, key) DO UPDATE
SET digest = excluded.digest, status = excluded.status, headers = excluded.headers, body = excluded.body,
    created_at = now()
"""
"""A row that is there already has expired: whoever holds the key's lock has looked."""

PRUNE = """
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency_keys
    WHERE service = $1 AND created_at < now() - make_interval(secs => $2) LIMIT $3
    FOR UPDATE SKIP LOCKED))
"""

DELETE_OF_USER = """
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency_keys WHERE service = $1 AND user_id = $2 LIMIT $3 FOR UPDATE))
"""


@dataclass(slots=True, frozen=True)
class Key:
    """A user's ``Idempotency-Key`` at one service."""

    service: str
    user_id: str
    value: str

    def lock_id(self) -> int:
        """The number of the key's advisory lock. Two keys that share one only wait for each other."""
        name = "\x00".join(("idempotency", self.service, self.user_id, self.value))
        return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


@dataclass(slots=True, frozen=True)
class Answer:
    """A kept answer. ``digest`` is that of its request; ``headers`` are (name, value)."""

    digest: bytes
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


async def try_lock(connection: Connection, key: Key) -> bool:
    """Lock the key until the end of the transaction. False if a request with it still runs."""
    return bool(await connection.fetchval(TRY_LOCK, key.lock_id()))


async def get_answer(connection: Connection, key: Key, *, kept_seconds: float) -> Answer | None:
    """The answer to the key's request, unless it is older than ``kept_seconds``. Lock the key first."""
    row = await connection.fetchrow(GET_ANSWER, key.service, key.user_id, key.value, kept_seconds)
    if row is None:
        return None
    headers = [(name, value) for name, value in row["headers"]]
    return Answer(row["digest"], row["status"], headers, row["body"])


async def upsert_answer(connection: Connection, key: Key, answer: Answer) -> None:
    """Keep the answer in the transaction that holds the effects of its request, and the key's lock."""
    await connection.execute(
        UPSERT_ANSWER,
        key.service,
        key.user_id,
        key.value,
        answer.digest,
        answer.status,
        list(answer.headers),
        answer.body,
    )


async def prune(
    connection: Connection, service: str, *, older_than_seconds: float, limit: int = 1_000
) -> int:
    """Delete up to ``limit`` answers of a service past their retention. Returns their number."""
    status: str = await connection.execute(PRUNE, service, older_than_seconds, limit)
    return int(status.rpartition(" ")[2])


async def delete_of_user(connection: Connection, service: str, user_id: str, *, limit: int = 1_000) -> int:
    """Delete up to ``limit`` of the answers that a service keeps for a user. Returns their number."""
    status: str = await connection.execute(DELETE_OF_USER, service, user_id, limit)
    return int(status.rpartition(" ")[2])


LIST_BODIES = """
SELECT key, body FROM idempotency_keys
WHERE service = $1 AND user_id = $2 AND position($3::bytea IN body) > 0
"""


async def list_bodies(
    connection: Connection, service: str, user_id: str, containing: bytes
) -> list[tuple[str, bytes]]:
    """The key and the body of each answer of a user's that contains these bytes."""
    rows = await connection.fetch(LIST_BODIES, service, user_id, containing)
    return [(row["key"], row["body"]) for row in rows]


UPDATE_BODIES = """
UPDATE idempotency_keys AS k SET body = changed.body
FROM unnest($3::text[], $4::bytea[]) AS changed (key, body)
WHERE k.service = $1 AND k.user_id = $2 AND k.key = changed.key
"""


async def update_bodies(
    connection: Connection, service: str, user_id: str, bodies: Sequence[tuple[str, bytes]]
) -> None:
    """Keep other bodies, by key, for answers whose content may not be repeated any more."""
    keys, changed = [key for key, _ in bodies], [body for _, body in bodies]
    await connection.execute(UPDATE_BODIES, service, user_id, keys, changed)
