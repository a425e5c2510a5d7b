"""Knowledge: room on the pages of chunks, so that a row whose metadata changes stays out of the indexes.

``totalChunks`` is part of each row of a file: a paragraph at its end changes all of them. An UPDATE puts the
new row on the same page where there is room, and the HNSW index need not know; without room it is entered
there again, which takes milliseconds. The vectors are kept apart (TOAST): at half full pages the table, with
them and its indexes, grows by a tenth. Pages that are there already fill up as before, until their rows are
replaced.
"""

from alembic import op

revision = "019"
down_revision = "018"
branch_labels = None
depends_on = None
HOLDS = ()


def upgrade() -> None:
    op.execute("ALTER TABLE knowledge_embeddings SET (fillfactor = 50)")


def downgrade() -> None:
    op.execute("ALTER TABLE knowledge_embeddings RESET (fillfactor)")
