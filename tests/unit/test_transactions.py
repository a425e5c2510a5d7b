"""Whoever opens a transaction is tried again after a deadlock, read from the code's syntax."""

import ast

import pytest

from tests.support.product_code import WITH_SQL, Module, modules

MODULES = [module for module in modules(*WITH_SQL) if module.name != "common.postgres"]
PUBLISHES_INSIDE = {"backbone.relay": {"publish_batch"}}
"""Another try would publish twice; its own loop goes on with the next batch."""


def _openers(module: Module) -> dict[str, bool]:
    """The innermost functions that open a transaction, and whether each is tried again."""
    found = {}
    for function in module.nodes:
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        nested = {
            node
            for inner in ast.walk(function)
            if isinstance(inner, ast.AsyncFunctionDef) and inner is not function
            for node in ast.walk(inner)
        }
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and node not in nested]
        if any(isinstance(call.func, ast.Name) and call.func.id == "transaction" for call in calls):
            decorators = [node.id for node in function.decorator_list if isinstance(node, ast.Name)]
            found[function.name] = decorators == ["tried_again"]
    return found


# Only they can: a look at the text spares each worker of a test run the parsing of all code.
OPENERS = [module for module in MODULES if "transaction(" in module.source]


@pytest.mark.parametrize("module", OPENERS, ids=lambda module: module.name)
def test_what_opens_a_transaction_is_tried_again(module: Module) -> None:
    once = {name for name, again in _openers(module).items() if not again}
    assert once == PUBLISHES_INSIDE.get(module.name, set())


def test_every_service_and_the_backbone_open_transactions() -> None:
    owners = {module.name.partition(".")[0] for module in OPENERS if _openers(module)}
    assert owners >= {"backbone", "chat", "cockpit", "knowledge"}
