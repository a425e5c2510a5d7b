"""How much users may use: limits of messages and tokens a day or a month, set by operators.

``user_id`` is '' for what holds for everybody without a quota of that kind of their own.
"""

from alembic import op

revision = "031"
down_revision = "030"
HOLDS = ("chat_quotas",)

CREATE_QUOTAS = """
    CREATE TABLE chat_quotas (
        user_id varchar(255) NOT NULL,
        measure text NOT NULL,
        period text NOT NULL,
        soft bigint,
        hard bigint,
        set_by varchar(255) NOT NULL,
        set_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, measure, period),
        CONSTRAINT chat_quotas_measure_check CHECK (measure IN ('messages', 'tokens')),
        CONSTRAINT chat_quotas_period_check CHECK (period IN ('day', 'month')),
        CONSTRAINT chat_quotas_limits_check CHECK (
            coalesce(soft, hard) IS NOT NULL AND coalesce(soft, 0) >= 0 AND coalesce(hard, 0) >= 0
        )
    )
"""


def upgrade() -> None:
    op.execute(CREATE_QUOTAS)


def downgrade() -> None:
    op.execute("DROP TABLE chat_quotas")
