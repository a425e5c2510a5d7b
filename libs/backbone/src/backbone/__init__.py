"""Events in and out of a service, without losing any, on Redis Streams or Kafka."""
