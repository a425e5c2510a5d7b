"""The catalogue of effects names tables and columns that the schema has."""

import asyncpg
import pytest

from takaro_schema.effects import EFFECTS, Effect
from takaro_schema.run import migrate


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.table)
async def test_an_effect_can_be_selected_and_summed_up(url: str, effect: Effect) -> None:
    migrate(url)
    connection = await asyncpg.connect(url)
    try:
        statement = await connection.prepare(effect.statement())
        columns = [attribute.name for attribute in statement.get_attributes()]
    finally:
        await connection.close()
    assert {"id", "created_at"} <= set(columns)
    assert effect.summary.format(**dict.fromkeys(columns, "x"))
