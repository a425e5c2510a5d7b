"""The index that finds a message by its place: lists of messages read it in order, page by page."""

from takaro_schema.indexes import create_index_concurrently, drop_index_concurrently

revision = "024"
down_revision = "023"
HOLDS = ()

INDEX = "messages_conversation_id_sequence_unique"


def upgrade() -> None:
    create_index_concurrently(INDEX, "messages (conversation_id, sequence)", unique=True)


def downgrade() -> None:
    drop_index_concurrently(INDEX)
