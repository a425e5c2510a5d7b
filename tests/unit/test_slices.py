"""House rules of the services' slices: what a file of a name may do, read from its syntax."""

import ast
from collections.abc import Collection
from textwrap import dedent

import pytest

from tests.support.product_code import RUNNING, Module, method, modules, parse

SERVICES = modules("services/chat/src", "services/cockpit/src", "services/knowledge/src")
PURE = [module for module in SERVICES if module.path.stem in ("rules", "records")]
EDGES = [module for module in SERVICES if module.path.stem in ("routes", "handlers", "commands")]
IO = {"asyncio", "asyncpg", "httpx", "redis", "socket", "subprocess", "common.postgres", "backbone.outbox"}


def imported(module: Module) -> set[str]:
    """Everything that a module imports, dotted, with the packages that it is in."""
    found: set[str] = set()
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {
        ".".join(parts[:n]) for name in found if (parts := name.split(".")) for n in range(1, len(parts) + 1)
    }


def awaits(module: Module) -> bool:
    """Whether anything in the module awaits."""
    kinds = ast.Await | ast.AsyncFunctionDef | ast.AsyncWith | ast.AsyncFor
    return any(isinstance(node, kinds) for node in module.nodes)


def called(module: Module) -> Collection[str]:
    """The names of all functions and methods that the module calls."""
    return {method(node) for node in module.nodes if isinstance(node, ast.Call)}


def edge_faults(module: Module) -> set[str]:
    """What a route or handler does that is a use case's task."""
    repositories = {name for name in imported(module) if name.rpartition(".")[2].endswith("repository")}
    return repositories | (set(called(module)) & {"transaction", "acquire", *RUNNING - {"execute"}})


@pytest.mark.parametrize("module", PURE, ids=lambda module: module.name)
def test_rules_and_records_do_no_io(module: Module) -> None:
    assert not awaits(module)
    assert not imported(module) & IO


@pytest.mark.parametrize("module", [pytest.param(m, id=m.name) for m in EDGES])
def test_routes_and_handlers_leave_transactions_and_statements_to_use_cases(module: Module) -> None:
    assert not edge_faults(module)


@pytest.mark.parametrize(
    "source",
    [
        "from chat.messages.repository import list_messages",
        "from chat.messages import repository",
        """
        async def route(pool):
            async with transaction(pool) as connection:
                await do(connection)
        """,
        """
        async def route(pool):
            return await pool.fetch(LIST)
        """,
    ],
)
def test_a_route_that_does_a_use_cases_work_is_found(source: str) -> None:
    assert edge_faults(parse(dedent(source), "sample.routes"))


def test_a_rule_that_waits_is_found() -> None:
    assert awaits(parse("async def rule(): ...", "sample.rules"))
