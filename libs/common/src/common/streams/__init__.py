"""Streams: reliable consumption on Redis Streams and Kafka, dead letters, trimming."""
