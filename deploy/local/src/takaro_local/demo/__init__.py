"""``make demo``: one real piece of work through all three services, each step checked."""
