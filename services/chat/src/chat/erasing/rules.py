"""What of a user is stored where. A test reads the schema: each table with a user's id is named here, or by
another service, or is deleted with a row that is. No I/O."""

TABLES = {
    "chat_usage_entries": "user_id",
    "chat_usage": "user_id",
    "chat_quotas": "user_id",
    "message_search": "user_id",
    "chat_agent_versions": "user_id",
    "chat_knowledge_bases": "owner",
}
"""Tables whose rows are simply deleted, with the column of the user's id."""

DELETED_WITH_FACTS = {"conversations": "user_id", "custom_agents": "user_id"}
"""Tables whose rows are deleted as their user would, with what refers to them."""

FORGOTTEN = {"chat_quotas": "set_by"}
"""Others' rows stay, without the user: an operator who set a quota."""
