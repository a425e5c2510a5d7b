"""The mock game server of a user: started, stopped, commanded, moved between the user's sessions."""
