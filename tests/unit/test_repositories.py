"""House rules of the code that holds SQL, read from its syntax."""

import ast
import re
from textwrap import dedent

import pytest

from tests.support.product_code import (
    COPYING,
    RUNNING,
    TRANSACTIONS,
    WITH_SQL,
    Function,
    Module,
    method,
    modules,
    parse,
    users,
)

REPOSITORIES = [module for module in modules(*WITH_SQL) if module.is_repository]
BACKBONE_TABLES = re.compile(r"\b(INTO|UPDATE|FROM|JOIN|TABLE)\s+(leases|inbox|outbox|retired_subjects)\b")
EVERYWHERE = pytest.mark.parametrize("folder", WITH_SQL)
BY_NAME = pytest.mark.parametrize("module", REPOSITORIES, ids=lambda module: module.name)


def faults(module: Module) -> list[str]:
    """What a repository's functions do although they may not: one line each."""
    return [f"{f.name}: {fault}" for f in module.functions() for fault in _faults(module, f)]


def _faults(module: Module, function: Function) -> list[str]:
    awaited = [node.value for node in ast.walk(function) if isinstance(node, ast.Await)]
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    running = [call for call in calls if method(call) in RUNNING | COPYING]
    found = []
    if any(method(call) in TRANSACTIONS for call in calls):
        found.append("opens or ends a transaction")
    if function.name.startswith("_"):
        return [*found, *(["a helper that runs a statement"] if running or awaited else [])]
    if len(running) != 1 or len(awaited) != 1 or awaited[0] is not running[0]:
        return [*found, f"runs {len(running)} statements and awaits {len(awaited)} times"]
    if _repeats(function, running[0]):
        found.append("runs its statement in a loop")
    constants = module.statements()
    named = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and n.id in constants}
    first = running[0].args[0] if running[0].args else None
    if method(running[0]) in COPYING:
        return [*found, *(["copies, and names a statement"] if named else [])]
    if len(named) != 1 or not (isinstance(first, ast.Name) and first.id in named):
        found.append("doesn't run one constant of its module")
    return found


def _repeats(function: Function, call: ast.Call) -> bool:
    """Whether ``call`` is in a place that Python may reach more than once."""
    for node in ast.walk(function):
        once: set[ast.AST] = set()
        if isinstance(node, ast.For | ast.AsyncFor):
            once = set(ast.walk(node.iter))
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            once = set(ast.walk(node.generators[0].iter))
        elif not isinstance(node, ast.While):
            continue
        if call in set(ast.walk(node)) - once:
            return True
    return False


@BY_NAME
def test_each_repository_function_runs_one_statement_and_leaves_the_transaction_to_its_caller(
    module: Module,
) -> None:
    assert not faults(module)


@EVERYWHERE
def test_each_statement_is_used_by_one_function(folder: str) -> None:
    used = users(*WITH_SQL)
    statements = {(module.name, name) for module in modules(folder) for name in module.statements()}
    by = {statement: used.get(statement, set()) for statement in statements}
    assert not {statement: functions for statement, functions in by.items() if len(functions) != 1}


@EVERYWHERE
def test_statements_are_constants(folder: str) -> None:
    inline = {module.name: module.inline_statements() for module in modules(folder)}
    assert not {name: lines for name, lines in inline.items() if lines}


@pytest.mark.parametrize("folder", [folder for folder in WITH_SQL if folder.startswith("services/")])
def test_services_leave_the_tables_of_the_backbone_to_its_functions(folder: str) -> None:
    written = {
        (module.name, node.lineno)
        for module in modules(folder)
        for node in module.nodes
        if isinstance(node, ast.Constant) and BACKBONE_TABLES.search(str(node.value))
    }
    assert not written


GOOD = """
GET_ONE = "SELECT 1"

async def get_one(connection):
    return [int(row) for row in await connection.fetch(GET_ONE)]
"""
BAD = {
    "two statements": """
        A = "SELECT 1"
        B = "SELECT 2"
        async def get(connection):
            await connection.execute(A)
            return await connection.fetch(B)
        """,
    "the same one twice": """
        A = "SELECT 1"
        async def get(connection):
            await connection.execute(A)
            return await connection.fetch(A)
        """,
    "one by way of another function": """
        A = "SELECT 1"
        async def get(connection):
            await other(connection)
            return await connection.fetch(A)
        """,
    "one in a loop": """
        A = "SELECT $1"
        async def get(connection, ids):
            for id in ids:
                await connection.fetch(A, id)
        """,
    "one in a comprehension": """
        A = "SELECT $1"
        async def get(connection, ids):
            return [await connection.fetch(A, id) for id in ids]
        """,
    "a statement that is no constant": """
        async def get(connection):
            return await connection.fetch("SELECT 1")
        """,
    "a transaction": """
        A = "SELECT 1"
        async def get(pool):
            async with transaction(pool) as connection:
                return await connection.fetch(A)
        """,
    "none": """
        async def get(connection):
            return 1
        """,
}


def test_a_function_that_follows_the_rule_has_no_fault() -> None:
    assert not faults(parse(GOOD))


@pytest.mark.parametrize("source", BAD.values(), ids=list(BAD))
def test_a_function_that_breaks_the_rule_is_found(source: str) -> None:
    assert len(faults(parse(dedent(source)))) == 1
