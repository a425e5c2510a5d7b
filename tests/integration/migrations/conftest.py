"""Databases to migrate: empty ones, ones that knex migrated, and revision folders with something added."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from takaro_schema.run import migrate
from takaro_schema.scripts import VERSIONS, Chain, load
from takaro_schema.settings import MigrationSettings

SCHEMA_010 = (Path(__file__).parent / "schema_010.sql").read_text()
CHAIN = load()
KNEX_NAMES = tuple(revision.name for revision in CHAIN.revisions[:10])
_NO_UUID_OSSP = """
CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT pg_catalog.gen_random_uuid()';
"""


@contextmanager
def _new_database(postgres_url: str, template: str = "template1") -> Iterator[str]:
    name = f"migrations_{uuid4().hex}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def new_database(postgres_url: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases and returns their URLs."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_new_database(postgres_url))


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    """The URL of an empty database."""
    return new_database()


class Ladder:
    """A database for each revision, to be copied: a copy of the one below, with one more batch."""

    def __init__(self, postgres_url: str, lowest: str, stack: ExitStack) -> None:
        """``lowest`` is the URL of the database that it stands on."""
        self._url, self._stack = postgres_url, stack
        self._names: dict[str | None, str] = {None: _name(lowest)}

    def copy(self, revision: str | None) -> AbstractContextManager[str]:
        """The URL of a new database at ``revision``; None is what the ladder stands on."""
        return _new_database(self._url, self._rung(revision))

    def _rung(self, revision: str | None) -> str:
        if revision not in self._names:
            position = CHAIN.ids.index(str(revision))
            below = self._rung(CHAIN.ids[position - 1] if position else None)
            url = self._stack.enter_context(_new_database(self._url, below))
            migrate(url, chain=CHAIN.until(str(revision)))
            self._names[revision] = _name(url)
        return self._names[revision]


def _name(database_url: str) -> str:
    return urlsplit(database_url).path.removeprefix("/")


@pytest.fixture(scope="session")
def ours_at(postgres_url: str) -> Iterator["At"]:
    """New databases that we migrated to a revision, one batch for each."""
    with ExitStack() as stack:
        yield Ladder(postgres_url, stack.enter_context(_new_database(postgres_url)), stack).copy


def load_schema_010(database_url: str, *, default: str) -> None:
    """The unchanged reference schema; ``default`` is the call that makes ids (there is no uuid-ossp here)."""
    schema = SCHEMA_010.replace('CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;', "")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_NO_UUID_OSSP)
        connection.execute(schema.replace("public.uuid_generate_v4()", default))
        if "uuid_generate_v4" not in default:
            connection.execute("DROP FUNCTION public.uuid_generate_v4()")


At = Callable[[str | None], AbstractContextManager[str]]
KnexDatabase = Callable[..., str]
ChainWith = Callable[..., Chain]


@pytest.fixture
def knex_database(new_database: Callable[[], str]) -> KnexDatabase:
    """Creates databases as knex leaves them, with a row in most tables; the history may differ."""

    def make(
        names: tuple[str, ...] = tuple(f"{name}.ts" for name in KNEX_NAMES),
        *,
        batches: tuple[int, ...] | None = None,
        locked: bool = False,
    ) -> str:
        database_url = new_database()
        load_schema_010(database_url, default="public.uuid_generate_v4()")
        with psycopg.connect(database_url, autocommit=True) as connection:
            for number, name in enumerate(names):
                connection.execute(
                    "INSERT INTO knex_migrations (name, batch, migration_time) "
                    "VALUES (%s, %s, timestamptz '2026-01-01' + %s * interval '1 day')",
                    [name, batches[number] if batches else 1, number],
                )
            connection.execute("INSERT INTO knex_migrations_lock (is_locked) VALUES (%s)", [int(locked)])
            connection.execute(
                "INSERT INTO conversations (agent_id, agent_version, user_id) "
                "VALUES ('module-writer', 'grok-fast', 'user-1')"
            )
            connection.execute(
                "INSERT INTO messages (conversation_id, role, content) "
                "SELECT id, 'user', 'hello' FROM conversations"
            )
        return database_url

    return make


@pytest.fixture
def chain_with(tmp_path: Path) -> ChainWith:
    """Returns our revisions with revision 999 added, from the bodies of its two functions."""

    def make(upgrade: str, downgrade: str = "pass") -> Chain:
        versions = tmp_path / uuid4().hex / "versions"
        shutil.copytree(VERSIONS, versions)
        (versions / "999_added.py").write_text(
            "from alembic import op\n"
            "from takaro_schema.indexes import create_index_concurrently, drop_index_concurrently\n"
            f"revision = '999'\ndown_revision = {load().head!r}\nHOLDS = ()\n"
            f"def upgrade():\n    {upgrade}\n"
            f"def downgrade():\n    {downgrade}\n"
        )
        return load(versions)

    return make


@pytest.fixture
def impatient() -> MigrationSettings:
    """Time limits for tests that wait for them."""
    return MigrationSettings(
        lock_timeout_seconds=0.2,
        lock_attempts=2,
        statement_timeout_seconds=1,
        wait_seconds=0.5,
        poll_seconds=0.02,
    )
