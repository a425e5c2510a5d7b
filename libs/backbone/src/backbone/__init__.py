"""Events in and out of a service, losing none: on Redis Streams or on Kafka."""
