"""Every parameter of libpq is read alike by services and migrations, or refused for both with what to do."""

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from common import postgres_parameters as known
from common.database_url import check, parse

_URL = "postgresql://ann:s%40cret@db.example:6432/agents"
_KNOWN = (
    known.PASSED_ON
    | known.SENT_TO_SERVER
    | known.NUMBERS
    | known.IGNORED
    | known.READ_BY_US
    | known.VALUES.keys()
    | known.REFUSED.keys()
)


def test_each_parameter_of_libpq_is_accounted_for() -> None:
    of_libpq = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    assert of_libpq <= _KNOWN, sorted(of_libpq - _KNOWN)


@pytest.mark.parametrize(
    "query",
    [
        "connect_timeout=7",
        "sslmode=require",
        "sslmode=require&channel_binding=prefer",
        "application_name=mine",
        "options=-c%20search_path%3Dagents",
        "keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3&tcp_user_timeout=5000",
        "target_session_attrs=read-write",
        "gssencmode=disable",
        "sslmode=require&sslnegotiation=direct",
        "ssl_min_protocol_version=TLSv1.3",
        "client_encoding=UTF8",
        "load_balance_hosts=disable",
    ],
)
def test_what_users_put_into_addresses_is_read_as_libpq_reads_it(query: str) -> None:
    address = parse(f"{_URL}?{query}")
    assert address.libpq_arguments() == conninfo_to_dict(f"{_URL}?{query}")
    sent = address.asyncpg_arguments()["server_settings"]
    assert set(sent) <= {"options", "application_name"}, "anything else the server would refuse"


@pytest.mark.parametrize(
    ("query", "what_to_do"),
    [
        ("channel_binding=require", "or write prefer"),
        ("target_session_attrs=standby", "read-write"),
        ("require_auth=scram-sha-256", "remove it"),
        ("service=prod", "service file"),
        ("hostaddr=10.0.0.1", "as the host"),
        ("gssencmode=require", "sslmode"),
        ("load_balance_hosts=random", "in their order"),
        ("schema=public", "options=-c"),
        ("pgbouncer=true", "no such parameter"),
        ("search_path=agents", "options=-c"),
        ("sslmode=on", "verify-full"),
        ("connect_timeout=soon", "a number"),
        ("sslmode=verify-full&sslrootcert=/no/such/file", "can't be read"),
        ("sslmode=require&sslrootcert=system", "verify-full"),
        ("sslnegotiation=direct", "sslmode=require"),
    ],
)
def test_what_services_cannot_keep_is_refused_in_one_line_that_says_what_to_do(
    query: str, what_to_do: str
) -> None:
    with pytest.raises(ValueError, match=r"\S") as refused:
        check(f"{_URL}?{query}")
    text = str(refused.value)
    assert what_to_do in text
    assert "\n" not in text
    assert "s@cret" not in text


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:p#ss@one:5433,two:5434/agents",
        "postgresql://ann@[::1]:5433/agents",
        "postgresql:///agents?host=/var/run/postgresql&user=ann",
        "postgresql:///agents?host=one,two&port=5433",
        "postgresql://%2Fvar%2Frun/agents",
        "postgresql://one/agents?application_name=a+b",
        "postgres://one?ssl=true",
    ],
)
def test_hosts_and_names_are_read_as_libpq_reads_them(url: str) -> None:
    ours = parse(url).libpq_arguments()
    theirs = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    ports = theirs.setdefault("port", "5432").split(",") if "host" in theirs else []
    if ports and len(ports) < len(theirs["host"].split(",")):
        theirs["port"] = ",".join(ports * len(theirs["host"].split(",")))
    assert ours == theirs


def test_a_driver_of_sqlalchemy_is_left_out() -> None:
    assert parse("postgresql+asyncpg://ann@one/agents") == parse("postgresql://ann@one/agents")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:p@ss@one/agents",
        "postgresql://ann:p/ss@one/agents",
        "postgresql://ann:p%ss@one/agents",
        "postgresql://ann:p?x=ss@one/agents",
        "postgresql://ann:x@one/agents?passwd=p@ss",
        "postgresql://ann:x@one/agents?oauth_client_secret=p@ss",
        "postgresql://one:many/agents",
        "host=one dbname=agents",
        "mysql://one/agents",
    ],
)
def test_a_malformed_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as refused:
        check(url)
    assert "p@ss" not in str(refused.value)
    assert "x=" not in str(refused.value)
    assert "ss@one" not in str(refused.value)


def test_the_certificates_of_the_system_are_a_file_that_both_clients_read() -> None:
    arguments = parse(f"{_URL}?sslrootcert=system").libpq_arguments()
    assert arguments["sslmode"] == "verify-full"
    assert Path(arguments["sslrootcert"]).is_file()


def test_the_text_of_an_address_holds_no_password() -> None:
    assert "s@cret" not in repr(parse(_URL))
    assert parse("postgresql://ann:x@one:5433,two/agents").place == "one:5433, two:5432"
