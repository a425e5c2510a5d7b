"""Every statement of chat's repositories is one that the migrated schema understands."""

import re
from types import ModuleType

import pytest

from chat.conversations import repository as conversations
from chat.custom_agents import repository as custom_agents
from chat.messages import repository as messages
from common.postgres import Pool

STATEMENTS = [
    pytest.param(getattr(module, name), id=f"{module.__name__.split('.')[1]}.{name}")
    for module in (conversations, custom_agents, messages)
    for name in vars(module)
    if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name)
]


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_the_statement_prepares(pool: Pool, statement: str) -> None:
    async with pool.acquire() as connection:
        await connection.prepare(statement)


@pytest.mark.parametrize("module", [conversations, custom_agents, messages])
def test_each_function_runs_one_statement(module: ModuleType) -> None:
    functions = [
        f for f in vars(module).values() if callable(f) and getattr(f, "__module__", "") == module.__name__
    ]
    public = [f for f in functions if not f.__name__.startswith("_")]
    statements = [name for name in vars(module) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name)]
    assert len(public) == len(statements)
