"""What a span of SQL is called."""

import pytest

from backbone import inbox, leases, outbox
from common.query_spans import summary_of


@pytest.mark.parametrize(
    ("query", "summary"),
    [
        ("SELECT a FROM t WHERE b = $1 FOR UPDATE", "SELECT t"),
        ("select t.a from t left join public.u on true", "SELECT t public.u"),
        ("INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = 1", "INSERT t"),
        ("INSERT INTO t SELECT a FROM u", "INSERT t SELECT u"),
        ("UPDATE ONLY t SET a = 1 FROM u", "UPDATE t u"),
        ("WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x JOIN u USING (a)", "DELETE t SELECT u"),
        ("WITH x (a, b) AS MATERIALIZED (SELECT 1, 2) SELECT a FROM x", "WITH"),
        ("SELECT * FROM unnest($1::int[]) AS n", "SELECT"),
        ("SELECT pg_notify('x', 'SELECT a FROM secrets')", "SELECT pg_notify"),
        ("SELECT a -- FROM nothing\nFROM t", "SELECT t"),
        ("SELECT 1 WHERE a IS DISTINCT FROM b", "SELECT"),
        ("SELECT a FROM t LEFT JOIN LATERAL (SELECT b FROM u) AS x ON true", "SELECT t SELECT u"),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;", "BEGIN"),
        ("COMMIT;", "COMMIT"),
        ("", "QUERY"),
        (outbox.APPEND, "INSERT outbox"),
        (inbox.CLAIM, "INSERT inbox"),
        (leases.RENEW, "UPDATE leases"),
    ],
)
def test_a_query_is_summed_up_by_its_operations_and_tables(query: str, summary: str) -> None:
    assert summary_of(query) == summary


def test_a_summary_is_no_longer_than_the_convention_allows() -> None:
    assert len(summary_of("SELECT 1" + "".join(f" FROM table_{n}" for n in range(100)))) == 255
