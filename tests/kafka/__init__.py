"""Against Apache Kafka itself: `make test-kafka`. Needs Java 17, and Maven Central the first time."""
