"""The event bus on Kafka: the same handlers, relay and promises as on Redis Streams."""
