"""Each revision by itself: reversible, honest about what it holds, and safe to run on a busy database."""

import subprocess
import sys
from pathlib import Path

import pytest

from takaro_schema.offline import render_sql
from takaro_schema.run import migrate, rollback
from takaro_schema.scripts import Revision, load

from .catalog import catalog, held_by
from .conftest import At

CHAIN = load()


def test_revisions_form_one_line_of_consecutive_numbers() -> None:
    assert CHAIN.ids == tuple(f"{number:03}" for number in range(1, len(CHAIN.ids) + 1))
    assert all(revision.name.startswith(f"{revision.id}_") for revision in CHAIN.revisions)


@pytest.mark.parametrize("revision", CHAIN.revisions, ids=CHAIN.ids)
def test_a_revision_is_reversible_and_says_what_its_downgrade_drops(ours_at: At, revision: Revision) -> None:
    position = CHAIN.ids.index(revision.id)
    with ours_at(CHAIN.ids[position - 1] if position else None) as url:
        _is_reversible(url, revision)


def _is_reversible(url: str, revision: Revision) -> None:
    before = catalog(url)
    migrate(url, chain=CHAIN.until(revision.id))
    after, held = catalog(url), held_by(url)
    assert before != after

    assert rollback(url) == [revision.id]
    assert catalog(url) == before
    dropped = held - held_by(url)
    tables = {name for name in dropped if "." not in name}
    assert set(revision.holds) == tables | {name for name in dropped if name.partition(".")[0] not in tables}

    assert migrate(url, chain=CHAIN.until(revision.id)) == [revision.id]
    assert catalog(url) == after


#: Rules about taste in types. What is left is about locks, rewrites and what can't be undone. A revision's
#: record is in its transaction, and new tables' indexes and keys block nobody.
STYLE_RULES = "prefer-text-field,prefer-bigint-over-int,ban-char-field,prefer-robust-stmts"


def _squawk(statements: str, folder: Path) -> str:
    file = folder / "statements.sql"
    file.write_text(statements)
    program = Path(sys.executable).with_name("squawk")
    command = [str(program), "--pg-version", "16", "--reporter", "gcc", "--exclude", STYLE_RULES, str(file)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return finished.stdout + finished.stderr


def test_our_revisions_block_nobody_for_long(tmp_path: Path) -> None:
    assert _squawk(render_sql("011"), tmp_path) == ""


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("ALTER TABLE messages ADD COLUMN x uuid DEFAULT gen_random_uuid()", "adding-field-with-default"),
        ("CREATE INDEX x ON messages (role)", "require-concurrent-index-creation"),
        ("ALTER TABLE messages ALTER COLUMN content TYPE varchar(10)", "changing-column-type"),
        ("ALTER TABLE messages ADD CONSTRAINT x CHECK (token_count > 0)", "constraint-missing-not-valid"),
    ],
)
def test_the_linter_sees_what_would_block(tmp_path: Path, statement: str, rule: str) -> None:
    limits = "SET lock_timeout = '5s';\nSET statement_timeout = '60s';\n"

    assert rule in _squawk(f"{limits}{statement};\n", tmp_path)
    assert "require-lock-timeout" in _squawk(f"{statement};\n", tmp_path)
