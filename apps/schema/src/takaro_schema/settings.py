"""Settings of the migration job, read from the environment (and ``.env``)."""

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from common import database_url


class MigrationSettings(BaseSettings):
    """``DATABASE_URL``, and ``MIGRATION_…`` for the rest. All times in seconds."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", env_prefix="migration_", populate_by_name=True
    )

    database_url: str = Field(
        default="postgresql://takaro:takaro@localhost:5433/takaro_agent",
        validation_alias="DATABASE_URL",
        # A role that owns the tables, connected directly to Postgres, not through a transaction pooler.
        description="Postgres 16 with pgvector; if set, the local stack doesn't start its own",
    )
    lock_timeout_seconds: float = Field(
        default=5, gt=0, description="longest wait for a table lock; others queue behind it"
    )
    lock_attempts: int = Field(
        default=5, ge=1, description="tries of one revision when a table lock isn't granted"
    )
    statement_timeout_seconds: float = Field(default=600, gt=0, description="longest single statement")
    index_timeout_seconds: float = Field(
        default=4 * 3600,
        gt=0,
        description="longest CREATE INDEX CONCURRENTLY, which blocks no writer",
    )
    wait_seconds: float = Field(default=900, gt=0, description="longest wait for another migration to finish")
    poll_seconds: float = Field(
        default=0.25, gt=0, description="pause between attempts to get the migration lock"
    )

    @field_validator("database_url")
    @classmethod
    def _readable(cls, url: str) -> str:
        return database_url.check(url)
