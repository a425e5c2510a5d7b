"""A cockpit session: one a conversation, with the player its user tests as."""
