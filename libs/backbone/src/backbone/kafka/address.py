"""The brokers' addresses, read from ``EVENT_BUS_URL``."""

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from backbone.reader import security_arguments

DEFAULT_PORT = 9092
MECHANISMS = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


@dataclass(slots=True, frozen=True)
class KafkaAddress:
    """Bootstrap servers (``host:port``) and how to connect to them."""

    servers: list[str]
    security: BaseSecurity | None = None

    @classmethod
    def parse(cls, url: str) -> "KafkaAddress":
        """Read ``kafka://[user:password@]host[:9092][,host…][?mechanism=SCRAM-SHA-512]``.

        ``kafkas://`` uses TLS. Raises ``ValueError`` for anything else.
        """
        parts = urlsplit(url)
        credentials, _, hosts = parts.netloc.rpartition("@")
        if parts.scheme not in ("kafka", "kafkas") or not hosts:
            raise ValueError("EVENT_BUS_URL must be kafka://host:9092[,host2:9092] for Kafka")
        servers = [host if ":" in host else f"{host}:{DEFAULT_PORT}" for host in hosts.split(",")]
        context = ssl.create_default_context() if parts.scheme == "kafkas" else None
        if not credentials:
            return cls(servers, BaseSecurity(ssl_context=context) if context else None)
        mechanism = parse_qs(parts.query).get("mechanism", ["PLAIN"])[0].upper()
        if mechanism not in MECHANISMS:
            raise ValueError(f"EVENT_BUS_URL: mechanism must be one of {', '.join(MECHANISMS)}")
        user, _, password = credentials.partition(":")
        return cls(servers, MECHANISMS[mechanism](unquote(user), unquote(password), ssl_context=context))

    def client_arguments(self) -> dict[str, Any]:
        """The arguments that every aiokafka client takes."""
        return {"bootstrap_servers": self.servers, **security_arguments(self.security)}
