"""The event bus on Redis Streams."""
