"""Names that processes share in Postgres: leases, notification channels, retired subjects. All are made
here."""

OUTBOX_CHANNEL = "outbox"
"""Wakes the relay; the payload is the stream."""

GAME_EVENTS_CHANNEL = "cockpit_events"
"""Wakes the followers of a mock server's events; the payload is the session."""

CONNECTIONS_CHANNEL = "cockpit_connections"
"""Announces that a mock server is to be connected to Takaro, or no longer; the payload is the connection's
lease."""

TAKARO_EVENTS_CHANNEL = "cockpit_takaro_events"
"""Wakes the holder of a mock server's connection, which has events for Takaro; the payload is the lease."""

SYNCS_CHANNEL = "knowledge_syncs"
"""Wakes the dispatcher of requested syncs."""

SCHEDULES_CHANNEL = "knowledge_schedules"
"""Announces that a schedule changed."""

QUOTAS_CHANNEL = "chat_quotas"
"""Announces that a quota was set or removed."""

AGENTS_CHANNEL = "chat_announced_agents"
"""Announces that a runtime began or ceased to serve an agent."""

TURN_NEWS_CHANNEL = "chat_turn_news"
"""Wakes the followers of a conversation's turns; the payload is the conversation."""

SIMULATION_LEASE = "cockpit-simulation"
SCHEDULES_LEASE = "knowledge.schedules"
SPACES_LEASE = "knowledge.spaces"
RETENTION_LEASE = "chat.retention"
TURNS_LEASE = "chat.turns"

CONSUMER_LEASES = "consumer:"
RELAY_LEASES = "relay:"
SYNC_LEASES = "knowledge.sync:"
CONNECTION_LEASES = "cockpit.connection:"


def consumer_lease(stream: str, group: str) -> str:
    """The lease of the one active consumer of a stream for a group."""
    return f"{CONSUMER_LEASES}{stream}:{group}"


def partition_lease(topic: str, group: str, partition: int) -> str:
    """The lease that fences one partition of a topic for a group, on Kafka."""
    return f"{consumer_lease(topic, group)}:{partition}"


def relay_lease(stream: str) -> str:
    """The lease of the one relay that publishes on a stream."""
    return f"{RELAY_LEASES}{stream}"


def sync_lease(base_id: str) -> str:
    """The lease of the one sync of a knowledge base."""
    return f"{SYNC_LEASES}{base_id}"


def connection_lease(server: str) -> str:
    """The lease of the one connection of a mock server to Takaro; ``server`` is its own id, not Takaro's."""
    return f"{CONNECTION_LEASES}{server}"


def erasing_lease(service: str) -> str:
    """The lease of the one process that erases users in a service."""
    return f"erasing:{service}"


def retired_base(base_id: str) -> str:
    """The subject under which a deleted knowledge base's sequence is kept."""
    return f"knowledge:{base_id}"
