"""Pieces of turns: what a runtime shows while it works. And messages that were left incomplete.

A row has the pieces that were committed together. They are kept until some time after the turn has ended, so
that whoever comes late, or comes back, gets all of them.
"""

from alembic import op

revision = "042"
down_revision = "041"
HOLDS = ("chat_turn_pieces", "messages.incomplete")

CREATE_TABLE = """
    CREATE TABLE chat_turn_pieces (
        turn_id uuid NOT NULL REFERENCES chat_turns (id) ON DELETE CASCADE,
        first integer NOT NULL,
        last integer NOT NULL,
        total_bytes integer NOT NULL,
        pieces text NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (turn_id, first),
        CHECK (last >= first)
    )
"""
INDEX = "CREATE INDEX chat_turn_pieces_stored_at_index ON chat_turn_pieces USING brin (stored_at)"
"""Rows are added in the order of this time, so an index of ranges is enough, and costs writers nothing."""

ADD_COLUMN = """ALTER TABLE messages ADD COLUMN incomplete text"""
"""How the turn ended before which a message wasn't complete: interrupted, failed or cancelled."""


def upgrade() -> None:
    op.execute(CREATE_TABLE)
    op.execute(INDEX)
    op.execute(ADD_COLUMN)


def downgrade() -> None:
    op.execute("ALTER TABLE messages DROP COLUMN incomplete")
    op.execute("DROP TABLE chat_turn_pieces")
