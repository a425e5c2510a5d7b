"""What a client may choose from: agents, and for a custom agent tools, models and knowledge bases."""
