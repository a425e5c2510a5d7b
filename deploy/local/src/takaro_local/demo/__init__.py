"""``make demo``: send one real piece of work through all three services, and check each step."""
