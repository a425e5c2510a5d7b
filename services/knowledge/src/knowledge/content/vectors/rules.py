"""Which spaces have an index of their own, and how it is built. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.content.vectors.records import Recall, Space, SpaceIndex

INDEX_PREFIX = "knowledge_vectors_space_"
"""The name of a space's index is this and its number."""

EF_CONSTRUCTION = 200
"""pgvector's own is 64. At 40,000 clustered rows recall@10 of questions about a base's own topics was then
0.997 whatever ``ef_search`` was, because some rows couldn't be reached, and is 1.000 at an ``ef_search`` of
40 with this. Of questions about others' topics it is 0.992 at 400, and was 0.877. Twice the neighbours
(``m``) didn't help."""

BYTES_A_ROW = 4_500
"""Memory that a build takes for a row of ``halfvec(1536)``, rounded up."""

EF_STEPS = (200, 300, 400, 600, 800)
"""What is tried for ``hnsw.ef_search``, whose most is 1000. The time of a scan grows with it."""

ENOUGH_RECALL = 0.993
"""Of ten neighbours. It is a little more than promised, because it is measured with few questions."""

KEPT_BELOW = 0.5
"""An index stays until its space has shrunk to this share of the rows that one is built for, so that a base
of about that size doesn't get and lose it again and again."""


@dataclass(slots=True, frozen=True)
class Work:
    """What to do to bring the indexes in line: names to drop, spaces to build one for, and to measure."""

    drop: Sequence[str]
    build: Sequence[Space]
    measure: Sequence[Space] = ()


def work_of(spaces: Sequence[Space], indexes: Sequence[SpaceIndex], exact_rows: int) -> Work:
    """Indexes of spaces with more than ``exact_rows`` rows, the largest first.

    Drops what a killed build left behind, and indexes whose space is gone or small. An index that a session
    is building is left alone: its builder was replaced, and Postgres ends it when it notices.
    """
    rows = {space.id: space.rows for space in spaces}
    needed = [index for index in indexes if index.building or _is_needed(index, rows, exact_rows)]
    there = {index.space for index in needed}
    usable = {index.space for index in needed if index.valid}
    large = [space for space in spaces if space.rows > exact_rows and space.id not in there]
    return Work(
        [index.name for index in indexes if index not in needed],
        sorted(large, key=lambda space: -space.rows),
        [space for space in spaces if space.id in usable and space.ef_search is None],
    )


def _is_needed(index: SpaceIndex, rows: dict[int, int], exact_rows: int) -> bool:
    return index.valid and rows.get(index.space, 0) > exact_rows * KEPT_BELOW


def ef_search_of(measured: Sequence[Recall]) -> int | None:
    """The smallest at which questions of both kinds find enough; the largest that was tried if none does.
    ``None`` if there was nothing to find."""
    known = [(each.ef_search, each.recall) for each in measured if each.recall is not None]
    if not known:
        return None
    poor = {ef_search for ef_search, recall in known if recall < ENOUGH_RECALL}
    enough = [ef_search for ef_search in EF_STEPS if ef_search not in poor]
    return enough[0] if enough else EF_STEPS[-1]


def index_name(space: int) -> str:
    return f"{INDEX_PREFIX}{space:d}"


def create_statement(space: int) -> str:
    """Builds the index of a space while others write. The vectors have length 1: their inner product is the
    cosine."""
    return (
        f"CREATE INDEX CONCURRENTLY {index_name(space)} ON knowledge_vectors "
        f"USING hnsw (embedding halfvec_ip_ops) WITH (ef_construction = {EF_CONSTRUCTION}) "
        f"WHERE space = {space:d}"
    )


def build_memory_kilobytes(rows: int, most_bytes: int) -> int:
    """``maintenance_work_mem`` of a build. With less than the rows take, it goes on more slowly on disk."""
    return max(64 * 1024, min(rows * BYTES_A_ROW, most_bytes) // 1024)
