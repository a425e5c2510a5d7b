"""Search inside one knowledge base."""
