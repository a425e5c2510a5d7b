"""The product's code as its syntax shows it: modules, their SQL constants, and which functions run them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[2]
WITH_SQL = (
    "libs/backbone/src",
    "libs/common/src",
    "apps/operator/src",
    "services/chat/src",
    "services/cockpit/src",
    "services/knowledge/src",
)
"""Where statements for asyncpg are. (Migrations run through Alembic, and have tests of their own.)"""

RUNNING = {"execute", "executemany", "fetch", "fetchrow", "fetchval", "fetchmany", "prepare", "cursor"}
COPYING = {"copy_records_to_table", "copy_to_table", "copy_from_query", "copy_from_table"}
TRANSACTIONS = {"transaction", "commit", "rollback"}

_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|SET|LOCK|NOTIFY|TRUNCATE)\s")
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A source file, by the name that it is imported by; parsed when its syntax is asked for."""

    name: str
    path: Path
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree. Walking it takes far longer than going through them."""
        return list(ast.walk(self.tree))

    @property
    def is_repository(self) -> bool:
        """Whether its functions are the SQL of a slice."""
        return self.path.stem == "repository" or self.path.stem.endswith("_repository")

    def functions(self) -> list[Function]:
        """Top-level functions and methods; what is nested in one belongs to it."""
        bodies = [self.tree.body, *(n.body for n in self.nodes if isinstance(n, ast.ClassDef))]
        return [node for body in bodies for node in body if isinstance(node, Function)]

    def statements(self) -> set[str]:
        """Names of the module's constants that hold SQL, f-strings included."""
        return {
            target.id
            for node in self.tree.body
            if isinstance(node, ast.Assign) and is_sql(node.value)
            for target in node.targets
            if isinstance(target, ast.Name) and _CONSTANT.fullmatch(target.id)
        }

    def inline_statements(self) -> list[int]:
        """Lines that run SQL written there, and not a constant of the module."""
        return [
            node.lineno
            for node in self.nodes
            if isinstance(node, ast.Call) and method(node) in RUNNING and node.args and is_sql(node.args[0])
        ]


def parse(source: str, name: str = "sample.repository") -> Module:
    """A module made of text, to try the rules with."""
    return Module(name, Path(f"{name.rpartition('.')[2]}.py"), source)


@cache
def modules(*folders: str) -> list[Module]:
    """All modules below ``folders`` (of the repository), in order."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Module(name, path, path.read_text()))
    return found


def method(call: ast.Call) -> str:
    """The name that is called, without the object it is called on."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def is_sql(node: ast.expr) -> bool:
    """Whether a string literal, or the beginning of an f-string, is a statement."""
    if isinstance(node, ast.JoinedStr):
        return bool(node.values) and is_sql(node.values[0])
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_SQL.match(node.value))


@cache
def users(*folders: str) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """For each constant, as (module, name): the functions below ``folders`` that name it, likewise."""
    used: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for module in modules(*folders):
        names = _imports(module)
        for function in module.functions():
            for place in _places(module, names, function):
                used.setdefault(place, set()).add((module.name, f"{function.name}:{function.lineno}"))
    return used


def _places(module: Module, names: dict[str, str], function: Function) -> Iterator[tuple[str, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and _CONSTANT.fullmatch(node.id):
            owner, _, name = names.get(node.id, f"{module.name}.{node.id}").rpartition(".")
            yield owner, name
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield names.get(node.value.id, module.name), node.attr


def _imports(module: Module) -> dict[str, str]:
    """What each imported name stands for, dotted."""
    names: dict[str, str] = {}
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
    return names
