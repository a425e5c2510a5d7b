"""Settings of a service's event side."""

from typing import Self

from pydantic import Field, model_validator

from backbone.bus import check_address, is_kafka
from common.settings import StoreSettings


class BackboneSettings(StoreSettings):
    """Where events travel, how many at once, and how long they are kept and retried."""

    event_bus_url: str = Field("", description="defaults to REDIS_URL; kafka://host:9092 switches to Kafka")
    stream_batch_size: int = Field(
        500, ge=1, le=10_000, description="entries handled in one transaction, at most"
    )
    stream_batch_bytes: int = Field(
        4_000_000,
        ge=1,
        description="bytes of entries in one transaction, and of facts published at once, at most",
    )
    stream_retention_seconds: float = Field(
        7 * 86_400,
        gt=0,
        description="how long facts stay in a stream, and how long a silent group can keep them there",
    )
    inbox_retention_seconds: float = Field(
        30 * 86_400,
        gt=0,
        description="how long handled events are remembered; must be longer than any replay",
    )
    idempotency_retention_seconds: float = Field(
        86_400,
        gt=0,
        description="how long the answer to a request with an Idempotency-Key is kept",
    )
    max_handler_failures: int = Field(
        5, ge=1, description="failures after which an entry becomes a dead letter"
    )
    retry_backoff_seconds: float = Field(
        0.2, gt=0, description="first pause before a retry; doubles each time"
    )
    retry_backoff_max_seconds: float = Field(30, gt=0, description="longest pause between retries")

    @model_validator(mode="after")
    def _consistent_events(self) -> Self:
        if not self.event_bus_url:
            self.event_bus_url = self.redis_url
        check_address(self.event_bus_url)
        if self.inbox_retention_seconds <= self.stream_retention_seconds:
            raise ValueError("INBOX_RETENTION_SECONDS must be longer than STREAM_RETENTION_SECONDS")
        return self

    def redis_urls(self) -> dict[str, str]:
        """The Redis servers in use, by the name of the setting that leads there."""
        found = {"REDIS_URL": self.redis_url}
        if self.event_bus_url != self.redis_url and not is_kafka(self.event_bus_url):
            found["EVENT_BUS_URL"] = self.event_bus_url
        return found
