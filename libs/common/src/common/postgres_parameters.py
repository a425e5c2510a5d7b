"""Which parameters of libpq a ``DATABASE_URL`` may have, and the values that asyncpg can keep.

Migrations connect with libpq and services with asyncpg, which has another list of parameters and sends those
that it doesn't know to the server. So each is either read by both alike, or refused for both.
Source: https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

PASSED_ON = frozenset(
    {
        *("passfile", "krbsrvname", "gsslib", "sslnegotiation", "target_session_attrs"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
    }
)
"""asyncpg reads them from a URL as libpq does."""

SENT_TO_SERVER = frozenset({"options", "application_name"})

NUMBERS = frozenset(
    {
        "connect_timeout",
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
    }
)
"""Services find a dead connection by their own time limits, which are shorter than those of TCP."""

IGNORED = frozenset({"fallback_application_name"})

VALUES: Mapping[str, tuple[frozenset[str], str]] = {
    "sslmode": (
        frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
        "use disable, allow, prefer, require, verify-ca or verify-full",
    ),
    "sslnegotiation": (frozenset({"postgres", "direct"}), "use postgres or direct"),
    "ssl_min_protocol_version": (
        frozenset({"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}),
        "use TLSv1.2 or TLSv1.3",
    ),
    "ssl_max_protocol_version": (
        frozenset({"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}),
        "use TLSv1.2 or TLSv1.3",
    ),
    "target_session_attrs": (
        frozenset({"any", "read-write", "primary"}),
        "every service writes: use read-write, primary or any",
    ),
    "channel_binding": (
        frozenset({"disable", "prefer"}),
        "services can't bind the password to the TLS channel: remove it, or write prefer; then "
        "sslmode=verify-full&sslrootcert=system proves which server it is",
    ),
    "gssencmode": (
        frozenset({"disable", "prefer"}),
        "services can't encrypt by GSSAPI: remove it and use sslmode",
    ),
    "gssdelegation": (frozenset({"0"}), "services don't delegate credentials: remove it"),
    "load_balance_hosts": (
        frozenset({"disable"}),
        "hosts are tried in their order: remove it",
    ),
    "sslcompression": (frozenset({"0"}), "TLS compression isn't supported: remove it"),
    "sslsni": (frozenset({"1"}), "the host's name is always sent: remove it"),
    "sslcertmode": (frozenset({"allow"}), "remove it; sslcert names the certificate to send"),
    "client_encoding": (frozenset({"auto", "utf8", "utf-8", "unicode"}), "only UTF8 is supported: remove it"),
    "replication": (frozenset({"false", "off", "no", "0"}), "services don't replicate: remove it"),
    "min_protocol_version": (frozenset({"3.0"}), "services speak protocol 3.0: remove it"),
    "max_protocol_version": (frozenset({"3.0", "3.2", "latest"}), "remove it"),
}
"""The values of a parameter that both clients can keep, and what to do about any other."""

REFUSED: Mapping[str, str] = {
    "hostaddr": "write the address as the host",
    "service": "write what the service file says into the URL",
    "servicefile": "write what the service file says into the URL",
    "require_auth": "services can't require a method: remove it, and let pg_hba.conf on the server decide",
    "requirepeer": "remove it",
    "sslcrldir": "use sslcrl with one file",
    "sslkeylogfile": "use the environment variable SSLKEYLOGFILE",
    "scram_client_key": "use a password",
    "scram_server_key": "use a password",
    "oauth_issuer": "use a password",
    "oauth_client_id": "use a password",
    "oauth_client_secret": "use a password",
    "oauth_scope": "use a password",
}
"""Parameters of libpq that services can't keep, and what to do instead."""

READ_BY_US = frozenset({"host", "port", "user", "password", "dbname"})

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_WHERE_SYSTEMS_KEEP_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def problem_of(name: str, value: str) -> str | None:
    """What to do about a parameter that can't be kept; ``None`` if it can."""
    if name in REFUSED:
        return REFUSED[name]
    if name in NUMBERS:
        return None if value.removeprefix("-").isdecimal() else "it must be a number"
    if name in VALUES:
        allowed, what_to_do = VALUES[name]
        return None if value in allowed or value.lower() in allowed else what_to_do
    if name in PASSED_ON | SENT_TO_SERVER | IGNORED | READ_BY_US:
        return None
    return "Postgres knows no such parameter; for a setting of the server write options=-c%20name%3Dvalue"


def with_certificates(given: Mapping[str, str]) -> dict[str, str]:
    """The parameters of TLS as both clients read them alike; ``ValueError`` says what is missing.

    ``ssl=true`` is ``sslmode=require``. ``sslrootcert=system`` becomes the system's file of certificates,
    because asyncpg doesn't know the word and libpq's own OpenSSL may look in another place.
    """
    found = dict(given)
    if found.pop("ssl", "true") != "true":
        raise ValueError("ssl: use sslmode")
    if "ssl" in given:
        found.setdefault("sslmode", "require")
    if found.get("sslrootcert") == "system":
        if found.setdefault("sslmode", "verify-full") != "verify-full":
            raise ValueError("sslrootcert=system needs sslmode=verify-full")
        found["sslrootcert"] = _system_certificates()
    for name in _FILES:
        if found.get(name) and not os.access(found[name], os.R_OK):
            raise ValueError(f"{name}: {found[name]} can't be read")
    if found.get("sslmode", "").startswith("verify-") and not _has_root(found):
        raise ValueError(
            f"sslmode={found['sslmode']} needs certificates to check with: add sslrootcert=system, or "
            "sslrootcert=/path/to/root.crt"
        )
    if found.get("sslnegotiation") == "direct" and found.get("sslmode", "prefer") in (
        "disable",
        "allow",
        "prefer",
    ):
        raise ValueError("sslnegotiation=direct needs sslmode=require or stricter")
    return found


def _has_root(found: Mapping[str, str]) -> bool:
    try:
        usual = Path.home() / ".postgresql" / "root.crt"
    except RuntimeError:  # no home
        usual = Path("/nonexistent")
    return bool(found.get("sslrootcert") or os.environ.get("PGSSLROOTCERT") or usual.exists())


def _system_certificates() -> str:
    for path in (ssl.get_default_verify_paths().cafile, *_WHERE_SYSTEMS_KEEP_CERTIFICATES):
        if path and os.access(path, os.R_OK):
            return path
    raise ValueError("sslrootcert=system: this system has no file of certificates; set SSL_CERT_FILE")
