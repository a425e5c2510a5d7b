"""What of a user is stored where, by table, with the column of the user's id. No I/O."""

OF_SERVER = {
    "cockpit_takaro_events": "user_id",
    "cockpit_connections": "user_id",
    "cockpit_game_servers": "user_id",
}
"""In the order in which they are deleted."""

OF_TOKENS = {"cockpit_registration_tokens": "user_id"}

TABLES = {"cockpit_sessions": "user_id"} | OF_SERVER | OF_TOKENS
"""The events of a session are deleted with it."""
