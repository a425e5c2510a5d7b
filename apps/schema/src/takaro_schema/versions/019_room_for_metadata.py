"""Knowledge: free space on the pages of chunks, so that a change of a row's metadata touches no index.

``totalChunks`` is part of each row of a file: a paragraph at its end changes all of them. An UPDATE puts the
new row on the same page if there is space, and the HNSW index doesn't change. Without space the row is
inserted there again, which takes milliseconds. The vectors are stored separately (TOAST): with half-full
pages the table, including them and its indexes, grows by a tenth. Existing pages fill up as before, until
their rows are replaced.
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
