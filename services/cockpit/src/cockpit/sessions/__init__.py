"""A cockpit session: one for each conversation, with the player that its user tests as."""
