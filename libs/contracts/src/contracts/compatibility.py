"""Rules for changes to a published contract."""

from collections.abc import Iterator
from typing import Any

_ANNOTATIONS = ("title", "description", "default", "examples", "$comment")


def breaking_changes(released: dict[str, Any], current: dict[str, Any], *, fact: bool) -> list[str]:
    """List what in ``current`` would break a program that was written against ``released``.

    Commands that were accepted must stay accepted, and readers of a fact must find the fields that they found
    before. So a field is never removed or changed, a new field of a command is optional, and a field that a
    fact always had stays required.
    """
    old, new = _inlined(released), _inlined(current)
    return list(_compare(old, new, "data", fact=fact))


def _compare(old: Any, new: Any, where: str, *, fact: bool) -> Iterator[str]:
    nested = all(isinstance(schema, dict) and "properties" in schema for schema in (old, new))
    if not nested:
        if _plain(old) != _plain(new):
            yield f"{where} changed"
        return
    for name, schema in old["properties"].items():
        if name not in new["properties"]:
            yield f"{where}.{name} was removed"
        else:
            yield from _compare(schema, new["properties"][name], f"{where}.{name}", fact=fact)
    was, now = set(old.get("required", ())), set(new.get("required", ()))
    if fact:
        yield from (f"{where}.{name} is no longer always there" for name in sorted(was - now))
    else:
        yield from (f"{where}.{name} is now required" for name in sorted(now - was))


def _plain(schema: Any) -> Any:
    """A schema without its annotations."""
    if isinstance(schema, dict):
        return {k: _plain(v) for k, v in schema.items() if k not in _ANNOTATIONS}
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    return schema


def _inlined(schema: dict[str, Any]) -> Any:
    definitions = schema.get("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolve(definitions[node["$ref"].rpartition("/")[2]])
            return {k: resolve(v) for k, v in node.items() if k not in ("$defs", "$id", "$schema")}
        return [resolve(item) for item in node] if isinstance(node, list) else node

    return resolve(schema)
