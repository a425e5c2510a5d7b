"""The players of a session's mock game server, and the one that its user tests as."""
