"""The knowledge bases that chat knows of from ``knowledge.events``: what custom agents may name.

A base that was deleted keeps its row for a while, without what it said, so that an older fact about it
doesn't bring it back. ``revision`` is that of the last fact.

``knowledge_bases.told`` says whether a fact has told of the base with all that followers need. It is false
for the bases that there are, and for those that a release of before adds: knowledge tells of them once.
"""

from alembic import op

revision = "040"
down_revision = "039"
HOLDS = ("chat_knowledge_bases", "knowledge_bases.told")

CREATE_TABLE = """
    CREATE TABLE chat_knowledge_bases (
        id varchar(255) NOT NULL,
        name text NOT NULL,
        description text NOT NULL,
        owner varchar(255),
        public boolean NOT NULL,
        revision bigint,
        deleted_at timestamptz,
        PRIMARY KEY (id)
    )
"""


def upgrade() -> None:
    op.execute(CREATE_TABLE)
    op.execute("CREATE INDEX chat_knowledge_bases_owner_index ON chat_knowledge_bases (owner)")
    op.execute("ALTER TABLE knowledge_bases ADD COLUMN told boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    op.execute("ALTER TABLE knowledge_bases DROP COLUMN told")
    op.execute("DROP TABLE chat_knowledge_bases")
