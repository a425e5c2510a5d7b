"""Knowledge: the registry of bases, what each index was made of, its files, syncs and an embedding cache.

``knowledge_embeddings`` and ``knowledge_sync_state`` don't change, because the Node application reads and
writes them too.
"""

from alembic import op

revision = "015"
down_revision = "014"
branch_labels = None
depends_on = None
HOLDS = (
    "knowledge_bases",
    "knowledge_indexes",
    "knowledge_files",
    "knowledge_syncs",
    "knowledge_embedding_cache",
)


def upgrade() -> None:
    # What to index. Settings and jobs of the Node application both add rows.
    op.execute("""
        CREATE TABLE knowledge_bases (
            id varchar(255) PRIMARY KEY,
            name varchar(255) NOT NULL,
            description text NOT NULL DEFAULT '',
            source text NOT NULL,
            version varchar(50) NOT NULL DEFAULT 'latest',
            extensions jsonb NOT NULL DEFAULT '[".md", ".txt"]',
            include jsonb NOT NULL DEFAULT '[]',
            "exclude" jsonb NOT NULL DEFAULT '[]',
            chunk_size integer NOT NULL DEFAULT 1000,
            chunk_overlap integer NOT NULL DEFAULT 200,
            refresh_schedule varchar(255),
            origin varchar(20) NOT NULL,
            event_sequence bigint NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT knowledge_bases_origin_check CHECK (origin IN ('settings', 'job', 'api')),
            CONSTRAINT knowledge_bases_chunks_check
                CHECK (chunk_size > 0 AND chunk_overlap >= 0 AND chunk_overlap < chunk_size)
        )
    """)
    # What the rows of one version of a base were made with: a search must use the same model.
    op.execute("""
        CREATE TABLE knowledge_indexes (
            knowledge_base_id varchar(255) NOT NULL REFERENCES knowledge_bases (id) ON DELETE CASCADE,
            version varchar(50) NOT NULL,
            model varchar(255) NOT NULL,
            fingerprint char(64) NOT NULL,
            definition char(64) NOT NULL,
            commit_sha varchar(40),
            chunk_count integer NOT NULL,
            synced_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (knowledge_base_id, version)
        )
    """)
    # Each file of an index: the content it was read from, the rows it became, or why it could not be read.
    op.execute("""
        CREATE TABLE knowledge_files (
            knowledge_base_id varchar(255) NOT NULL,
            version varchar(50) NOT NULL,
            path text NOT NULL,
            content_sha varchar(40) NOT NULL,
            outcome varchar(20) NOT NULL,
            reason text,
            chunk_ids uuid[] NOT NULL DEFAULT '{}',
            updated_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (knowledge_base_id, version, path),
            FOREIGN KEY (knowledge_base_id, version)
                REFERENCES knowledge_indexes (knowledge_base_id, version) ON DELETE CASCADE,
            CONSTRAINT knowledge_files_outcome_check
                CHECK (outcome IN ('indexed', 'empty', 'unsupported', 'failed'))
        )
    """)
    # Every sync that was requested or run. Also the queue's outbox: a row 'requested' isn't enqueued yet.
    op.execute("""
        CREATE TABLE knowledge_syncs (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            knowledge_base_id varchar(255) NOT NULL REFERENCES knowledge_bases (id) ON DELETE CASCADE,
            mode varchar(20) NOT NULL DEFAULT 'incremental',
            reason varchar(20) NOT NULL,
            status varchar(20) NOT NULL DEFAULT 'requested',
            job_id varchar(255) NOT NULL,
            requested_by varchar(255),
            traceparent varchar(55),
            result jsonb,
            error text,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            started_at timestamptz,
            finished_at timestamptz,
            CONSTRAINT knowledge_syncs_mode_check CHECK (mode IN ('incremental', 'full')),
            CONSTRAINT knowledge_syncs_reason_check CHECK (reason IN ('http', 'command', 'startup', 'job')),
            CONSTRAINT knowledge_syncs_status_check
                CHECK (status IN ('requested', 'queued', 'running', 'completed', 'failed'))
        )
    """)
    op.execute(
        "CREATE INDEX knowledge_syncs_base_index ON knowledge_syncs (knowledge_base_id, created_at DESC)"
    )
    op.execute(
        "CREATE INDEX knowledge_syncs_requested_index ON knowledge_syncs (created_at) "
        "WHERE status = 'requested'"
    )
    # Embeddings already paid for, by model and content: a sync that is killed or repeated does not pay twice.
    op.execute("""
        CREATE TABLE knowledge_embedding_cache (
            model varchar(255) NOT NULL,
            content_hash bytea NOT NULL,
            embedding vector(1536) NOT NULL,
            used_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (model, content_hash)
        )
    """)
    op.execute("CREATE INDEX knowledge_embedding_cache_used_at_index ON knowledge_embedding_cache (used_at)")


def downgrade() -> None:
    op.execute("DROP TABLE knowledge_embedding_cache")
    op.execute("DROP TABLE knowledge_syncs")
    op.execute("DROP TABLE knowledge_files")
    op.execute("DROP TABLE knowledge_indexes")
    op.execute("DROP TABLE knowledge_bases")
