"""Parts of the statement that inserts messages, which count them."""

COUNTED = "(SELECT set_config('takaro.usage', 'counted', true)) = 'counted'"
"""SQL of a condition that tells the trigger ``messages_usage``, which counts for other writers, that this
transaction counts its messages itself."""


def count_from(rows: str) -> str:
    """SQL that counts messages within the statement that inserts them, which is :data:`COUNTED`.

    ``rows`` has the columns user_id, agent_id, model and token_count, a row for each message. Entries are
    only added, so that no writer waits for another one of the same user.
    """
    return f"""
    INSERT INTO chat_usage_entries (user_id, day, agent_id, model, messages, tokens)
    SELECT user_id, (clock_timestamp() AT TIME ZONE 'UTC')::date, agent_id, coalesce(model, ''), count(*),
           coalesce(sum(greatest(token_count, 0)), 0)
    FROM {rows}
    WHERE user_id IS NOT NULL
    GROUP BY user_id, agent_id, coalesce(model, '')
    """  # noqa: S608 - only names of ours
