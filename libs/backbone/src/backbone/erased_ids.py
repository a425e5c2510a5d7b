"""Which users and subjects were erased, and when. Digests are kept: nobody can read the ids from them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from common.postgres import Connection

INSERT_SUBJECTS = """
INSERT INTO erased_ids (digest, erasure_id)
SELECT digest, $1 FROM unnest($2::bytea[]) AS digest ORDER BY digest
ON CONFLICT (digest) DO NOTHING
RETURNING digest
"""

UPSERT_USER = """
INSERT INTO erased_ids (digest, erasure_id) VALUES ($1, $2)
ON CONFLICT (digest) DO UPDATE SET erasure_id = excluded.erasure_id, erased_at = excluded.erased_at
"""

LIST_ERASED = "SELECT digest, erased_at FROM erased_ids WHERE digest = ANY($1::bytea[])"

LIST_ERASED_OF = """
SELECT digest FROM erased_ids WHERE digest = ANY($1::bytea[])
  AND erasure_id IN (SELECT id FROM erasures WHERE user_sha256 = $2)
"""

DELETE_SUBJECTS = "DELETE FROM erased_ids WHERE digest = ANY($1::bytea[])"

SUBJECT_DIGEST = r"sha256(convert_to('subject' || chr(10) || {}, 'UTF8'))"
"""SQL of :func:`digest_of_subject`, of a column."""


def digest_of_user(user_id: str) -> bytes:
    """What is kept of a user's id: the SHA-256 of its UTF-8."""
    return sha256(user_id.encode()).digest()


def digest_of_subject(subject: str) -> bytes:
    """What is kept of a subject."""
    return sha256(b"subject\n" + subject.encode()).digest()


async def insert_subjects(connection: Connection, erasure_id: UUID, subjects: Collection[str]) -> list[str]:
    """Record that subjects were erased. Returns those that weren't yet."""
    by_digest = {digest_of_subject(subject): subject for subject in subjects}
    rows = await connection.fetch(INSERT_SUBJECTS, erasure_id, list(by_digest))
    return [by_digest[row["digest"]] for row in rows]


async def upsert_user(connection: Connection, erasure_id: UUID, user_id: str) -> None:
    """Record that a user is erased from now on."""
    await connection.execute(UPSERT_USER, digest_of_user(user_id), erasure_id)


async def list_erased(connection: Connection, digests: Collection[bytes]) -> dict[bytes, datetime]:
    """Which of these digests are of something erased, and since when."""
    rows = await connection.fetch(LIST_ERASED, list(digests))
    return {row["digest"]: row["erased_at"] for row in rows}


async def list_erased_of(connection: Connection, digests: Collection[bytes], user_id: str) -> set[bytes]:
    """Which of these digests are of subjects that were erased with this user."""
    rows = await connection.fetch(LIST_ERASED_OF, list(digests), digest_of_user(user_id))
    return {row["digest"] for row in rows}


async def forget_subjects(connection: Connection, subjects: Sequence[str]) -> None:
    """Somebody uses these subjects again: they aren't erased any more."""
    await connection.execute(DELETE_SUBJECTS, [digest_of_subject(subject) for subject in subjects])
