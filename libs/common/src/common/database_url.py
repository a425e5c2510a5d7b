"""The one parser of ``DATABASE_URL``: for services (asyncpg), migrations (libpq) and the command line.

The form is libpq's: https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

from common.postgres_parameters import (
    NUMBERS,
    PASSED_ON,
    SENT_TO_SERVER,
    VALUES,
    problem_of,
    with_certificates,
)

_FORM = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://(?P<authority>[^/?]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]@]*)(?::(?P<port>[^:@]*))?")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_ENCODE = "write / ? # @ : % in a name or password as %2F %3F %23 %40 %3A %25"
_TLS_AND_FILES = PASSED_ON - {"target_session_attrs"}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """What a URL says. ``hosts`` are tried in their order; without one, the clients' defaults apply.

    ``parameters`` are libpq's, without those of the other fields. Its text never holds the password.
    """

    hosts: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None = field(repr=False)
    database: str | None
    parameters: Mapping[str, str] = field(repr=False)

    @property
    def place(self) -> str:
        """The hosts and ports, for messages."""
        return ", ".join(f"{host}:{port}" for host, port in self.hosts) or "localhost"

    @property
    def connect_timeout(self) -> float | None:
        """Seconds for each host, at least 2 as in libpq; ``None`` if the URL leaves it to the client."""
        seconds = int(self.parameters.get("connect_timeout", "0"))
        return float(max(2, seconds)) if seconds > 0 else None

    @property
    def application_name(self) -> str | None:
        return self.parameters.get("application_name")

    def libpq_arguments(self) -> dict[str, str]:
        """Keyword arguments of ``psycopg.connect``."""
        found = dict(self.parameters)
        if self.hosts:
            found["host"] = ",".join(host for host, _ in self.hosts)
            found["port"] = ",".join(str(port) for _, port in self.hosts)
        who = {"user": self.user, "password": self.password, "dbname": self.database}
        return found | {name: value for name, value in who.items() if value is not None}

    def asyncpg_arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``asyncpg.connect``, without hosts and time limits."""
        tls = {name: value for name, value in self.parameters.items() if name in _TLS_AND_FILES}
        found: dict[str, Any] = {
            "dsn": "postgresql://" + (f"?{urlencode(tls, quote_via=quote)}" if tls else ""),
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "server_settings": {k: v for k, v in self.parameters.items() if k in SENT_TO_SERVER},
        }
        if "target_session_attrs" in self.parameters:
            found["target_session_attrs"] = self.parameters["target_session_attrs"]
        return found


def parse(url: str) -> DatabaseUrl:
    """Read a URL. ``postgresql+asyncpg://`` and the like are accepted.

    Raises ``ValueError`` with what to do, in one line and without the password.
    """
    form = _FORM.fullmatch(url.strip())
    if form is None:
        raise ValueError("it must look like postgresql://user:password@host:5432/database")
    if _NO_ESCAPE.search(url):
        raise ValueError(f"a % stands alone: {_ENCODE}")
    credentials, at, places = form["authority"].rpartition("@")
    if "@" in credentials:
        raise ValueError(f"there is more than one @ before the host: {_ENCODE}")
    user, colon, password = credentials.partition(":")
    named = _hosts(places)  # first: if a ? stands in the password, the query holds the rest of it
    query = _query(form["query"] or "")
    hosts = named or _hosts_of(query)
    known = {name: value for name, value in query.items() if name not in ("host", "port")}
    given_user, given_password = known.pop("user", None), known.pop("password", None)
    given_database = known.pop("dbname", None)
    return DatabaseUrl(
        hosts,
        given_user or (unquote(user) if at and user else None),
        given_password or (unquote(password) if colon else None),
        given_database or unquote(form["database"] or "") or None,
        with_certificates(known),
    )


def check(url: str) -> str:
    """``url`` itself, for validators of settings; ``ValueError`` as in :func:`parse`."""
    parse(url)
    return url


def _query(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, text.split("&")):
        name, equals, value = pair.partition("=")
        name, value = unquote(name), unquote(value)  # a plus is a plus in libpq
        if not equals:
            raise ValueError(f"a parameter has no value after a =; {_ENCODE}")
        problem = None if name == "ssl" else problem_of(name, value)
        if problem:
            # No other value is shown: of a misspelt name, it may be the password.
            shown = f"{name}={value}" if name in NUMBERS or name in VALUES else name
            raise ValueError(f"{_printable(shown)}: {problem}")
        found[name] = value
    return found


def _hosts(places: str) -> tuple[tuple[str, int], ...]:
    if not places:
        return ()
    found = []
    for place in places.split(","):
        parts = _HOST.fullmatch(place)
        if parts is None:
            raise ValueError(f"the host can't be read: {_ENCODE}")
        found.append((unquote(parts["host"].strip("[]")) or "localhost", _port(parts["port"] or "5432")))
    return tuple(found)


def _hosts_of(query: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Hosts of the parameters ``host`` and ``port``. One port serves every host."""
    if not query.get("host") and not query.get("port"):
        return ()
    hosts = [host or "localhost" for host in query.get("host", "").split(",")]
    ports = [_port(port or "5432") for port in query.get("port", "").split(",")]
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise ValueError(
            f"there are {len(hosts)} hosts and {len(ports)} ports: give one port, or one for each"
        )
    return tuple(zip(hosts, ports, strict=True))


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise ValueError(f"the port must be a number from 1 to 65535; {_ENCODE}")
    return int(text)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
