"""What of a user is stored where, by table, with the column of the user's id. No I/O."""

TABLES = {"knowledge_bases": "owner", "knowledge_syncs": "requested_by"}
"""A base is deleted with its content, history and schedule. A sync of somebody else's base stays, without who
requested it."""
