"""What of a user is stored where, by table, with the column of the user's id. No I/O."""

TABLES = {"cockpit_sessions": "user_id", "cockpit_game_servers": "user_id"}
"""The events of a session are deleted with it."""
