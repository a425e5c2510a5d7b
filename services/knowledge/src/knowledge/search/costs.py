"""What a search by vector may cost, and where the numbers come from. ``make bench-search`` measures them
again.

Comparing every row of a space has recall 1.0 and takes 0.55 µs a row. An index scan takes 2 to 3 ms at any
size. So spaces of up to :data:`EXACT_ROWS` are compared row by row, and larger ones have an index; the
planner is never asked.
"""

MOST_TUPLES = 1_000
"""Rows that an index scan with a filter reads before all that pass it are compared, which reads the metadata
of the whole base. Such a scan keeps four times as many in view as one without (up to 1000), so it ends with
its first batch: either enough of that pass, or all that pass are compared. Measured at 40,000 chunks: a scan
that went on to 5,000 for a filter that passes 0.5 % had a recall@10 of 0.94, and one with 200 in view 0.91
where half passed."""


def candidates(limit: int) -> int:
    """How many rows to take by half precision for ``limit`` by full precision. The difference changes the
    order of neighbours only: with half as many more, recall@10 was 1.0 in each base that was compared row by
    row."""
    return limit + limit // 2 + 5


def ef_search(limit: int) -> int:
    """How many rows an index scan keeps in view at least. A space has its own number, which is measured when
    its index is built (:mod:`knowledge.content.vectors`). pgvector's own is 40, its most is 1000."""
    return min(1000, max(200, 4 * candidates(limit)))


MOST_MATCHES = 1_000
"""Chunks of one space that are scored by their words: those with its rare words, up to twice as many, and up
to as many that have its frequent words together. Each costs a microsecond. Measured on 43,325 chunks of
documentation with 158 questions of three to nine words: 1,000 find 94 % of the ten best in 2 ms of Postgres'
time, 2,000 find 96 % in 3 ms, all find 100 % in 14 ms. Each finds the chunk that the question was taken from
as often."""

TEXT_WEIGHT = 1.0
"""Of the ranks by text in a hybrid search; those by vector have 1."""


def ranks(limit: int) -> int:
    """How many chunks a hybrid search ranks by vector, and by text."""
    return max(50, candidates(limit))
