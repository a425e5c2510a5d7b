"""What a rollback would lose of what users made: rows in tables, and values in columns, that it drops.

What services keep for themselves doesn't count, nor does what they make again from the settings file.
"""

from collections.abc import Sequence

from psycopg import sql

from takaro_schema.history import Raw, existing_tables
from takaro_schema.scripts import Revision

OF_SERVICES = frozenset(
    {
        *("leases", "outbox", "inbox", "retired_subjects", "idempotency_keys"),
        *("outbox.tracestate", "outbox.baggage", "inbox.code", "inbox.reason"),
        *("conversations.event_sequence", "conversations.state_version", "conversations.last_message_at"),
        *("conversations.message_sequence", "messages.sequence", "custom_agents.event_sequence"),
        *("custom_agents.version", "custom_agents.version_created_at"),
        *("chat_turns", "conversations.turn_token_sha256"),
        "cockpit_sessions.event_sequence",
        *("message_search", "message_search_queue"),
        *("chat_announced_agents", "chat_announced_tools"),
        *("chat_knowledge_bases", "knowledge_bases.told"),
        *("knowledge_embedding_cache", "knowledge_retired_schedules"),
        *("knowledge_spaces", "knowledge_vectors", "knowledge_spaces.ef_search"),
        *("knowledge_words", "knowledge_word_spaces", "knowledge_word_counts"),
        *("knowledge_syncs.progress", "knowledge_syncs.files"),
        *("knowledge_syncs.tracestate", "knowledge_syncs.baggage", "knowledge_syncs.confirm_removal"),
        *("knowledge_syncs.covers", "knowledge_syncs.attempt", "knowledge_syncs.permanent"),
    }
)
"""What no user made: numbers, copies and records that services write and, where it matters, fill again."""

_BASE_OF = {
    "knowledge_bases": "id",
    **dict.fromkeys(
        (
            "knowledge_embeddings",
            "knowledge_sync_state",
            "knowledge_indexes",
            "knowledge_files",
            "knowledge_syncs",
        ),
        "knowledge_base_id",
    ),
}
"""Tables whose rows belong to a knowledge base, and the column that names it. A base of the settings file is
seeded and synced again."""

_COLUMN_EXISTS = """
SELECT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = to_regclass(quote_ident(%s)) AND attname = %s AND NOT attisdropped
)
"""
_DECLARED = "SELECT id FROM knowledge_bases WHERE origin = 'settings' ORDER BY id"
_HOLDS = sql.SQL("SELECT EXISTS (SELECT FROM {table} WHERE {condition})")
_HAS_VALUE = sql.SQL("{column} IS NOT NULL")
_BASE_IS_NOT_DECLARED = sql.SQL("{base} <> ALL (%s)")
_LOCK_TABLE = sql.SQL("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")


def list_declared_bases(connection: Raw) -> list[str]:
    """The ids of the knowledge bases that the settings file declares. Ask before anything is taken back."""
    if not existing_tables(connection, ["knowledge_bases"]):
        return []
    return [base for (base,) in connection.execute(_DECLARED)]


def find_losses(connection: Raw, revisions: Sequence[Revision], declared: Sequence[str]) -> list[str]:
    """Which tables and columns that the revisions' downgrades drop hold rows or values that users made.

    ``declared`` are the ids of :func:`list_declared_bases`. A default counts as a value: a default that was
    written looks like one that was filled in.
    """
    held = sorted({name for revision in revisions for name in revision.holds})
    tables = [name for name in held if "." not in name]
    counted = [name for name in held if name not in OF_SERVICES]
    losses = [
        name
        for name in existing_tables(connection, tables)
        if name in counted and _holds(connection, name, declared)
    ]
    for name in counted:
        table, _, column = name.partition(".")
        if column and table not in tables and _column_exists(connection, table, column):
            losses += [name] if _holds(connection, table, declared, column) else []
    return losses


def lock_held_tables(connection: Raw, revision: Revision) -> None:
    """Lock the tables that the revision's downgrade drops or changes, until the transaction ends."""
    for table in existing_tables(connection, sorted({name.partition(".")[0] for name in revision.holds})):
        connection.execute(_LOCK_TABLE.format(table=sql.Identifier(table)))


def _holds(connection: Raw, table: str, declared: Sequence[str], column: str | None = None) -> bool:
    conditions: list[sql.Composable] = []
    parameters: list[object] = []
    if column:
        conditions.append(_HAS_VALUE.format(column=sql.Identifier(column)))
    if table in _BASE_OF:
        conditions.append(_BASE_IS_NOT_DECLARED.format(base=sql.Identifier(_BASE_OF[table])))
        parameters.append(list(declared))
    condition = sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")
    statement = _HOLDS.format(table=sql.Identifier(table), condition=condition)
    row = connection.execute(statement, parameters).fetchone()
    return bool(row and row[0])


def _column_exists(connection: Raw, table: str, column: str) -> bool:
    exists = connection.execute(_COLUMN_EXISTS, [table, column]).fetchone()
    return bool(exists and exists[0])
