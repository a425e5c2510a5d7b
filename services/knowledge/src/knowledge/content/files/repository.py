"""SQL of the files that a base's rows were made from. Functions take a connection, run one statement and
never commit."""

from collections.abc import Sequence

from common.postgres import Connection
from knowledge.content.files.records import FileState

LIST_FILES = """
SELECT path, content_sha, outcome, reason, chunk_ids FROM knowledge_files
WHERE knowledge_base_id = $1 AND version = $2
"""


async def list_files(connection: Connection, base_id: str, version: str) -> dict[str, FileState]:
    """The files of a version by path."""
    rows = await connection.fetch(LIST_FILES, base_id, version)
    return {
        row["path"]: FileState(
            row["path"],
            row["content_sha"],
            row["outcome"],
            row["reason"],
            tuple(row["chunk_ids"]),
        )
        for row in rows
    }


UPSERT_FILES = """
INSERT INTO knowledge_files (knowledge_base_id, version, path, content_sha, outcome, reason, chunk_ids)
SELECT $1, $2, file.path, file.content_sha, file.outcome, file.reason,
       file.chunk_ids::uuid[]
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
     AS file (path, content_sha, outcome, reason, chunk_ids)
ON CONFLICT (knowledge_base_id, version, path) DO UPDATE SET content_sha = excluded.content_sha,
    outcome = excluded.outcome, reason = excluded.reason, chunk_ids = excluded.chunk_ids, updated_at = now()
"""


async def upsert_files(
    connection: Connection, base_id: str, version: str, files: Sequence[FileState]
) -> None:
    """Store what is known of these files now."""
    await connection.execute(
        UPSERT_FILES,
        base_id,
        version,
        [file.path for file in files],
        [file.content_sha for file in files],
        [file.outcome for file in files],
        [file.reason for file in files],
        ["{" + ",".join(map(str, file.chunk_ids)) + "}" for file in files],
    )


DELETE_FILES = """
DELETE FROM knowledge_files WHERE knowledge_base_id = $1 AND version = $2 AND path = ANY($3::text[])
"""


async def delete_files(connection: Connection, base_id: str, version: str, paths: Sequence[str]) -> None:
    """Delete the records of files. Their rows aren't touched."""
    await connection.execute(DELETE_FILES, base_id, version, paths)
