"""Chunks of knowledge bases with their embeddings (pgvector)."""

from alembic import op

revision = "006"
down_revision = "005"
HOLDS = ("knowledge_embeddings",)

UPGRADE = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    """
    CREATE TABLE knowledge_embeddings (
        id uuid DEFAULT gen_random_uuid() NOT NULL,
        knowledge_base_id varchar(255) NOT NULL,
        version varchar(50) NOT NULL,
        content text NOT NULL,
        metadata jsonb DEFAULT '{}'::jsonb,
        created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        embedding vector(1536) NOT NULL,
        CONSTRAINT knowledge_embeddings_pkey PRIMARY KEY (id)
    )
    """,
    """
    CREATE INDEX knowledge_embeddings_knowledge_base_id_version_index
        ON knowledge_embeddings (knowledge_base_id, version)
    """,
    """
    CREATE INDEX knowledge_embeddings_embedding_idx
        ON knowledge_embeddings USING hnsw (embedding vector_cosine_ops)
    """,
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    # The extension stays: an administrator may have made it, and others in this database may use it.
    op.execute("DROP TABLE knowledge_embeddings")
