"""The index that finds a page of a user's conversations, however many the user has.

It has the order of the list: a row without a time is newer than all others. The owner is an expression so
that no other index serves the list. Planned for users with few conversations, the same statement would take
``conversations_user_id_index`` and sort, and so read everything of a user who has many.
"""

from takaro_schema.indexes import create_index_concurrently, drop_index_concurrently

revision = "030"
down_revision = "029"
HOLDS = ()

INDEX = "conversations_owner_created_at_id_index"


def upgrade() -> None:
    create_index_concurrently(
        INDEX, "conversations (coalesce(user_id, ''), coalesce(created_at, 'infinity'), id)"
    )


def downgrade() -> None:
    drop_index_concurrently(INDEX)
