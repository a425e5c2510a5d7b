"""Schemathesis' hook (``SCHEMATHESIS_HOOKS``): most requests name what exists.

A random id names nothing, so that only 404s would ever be compared with the document.
"""

import json
import os
from typing import Any
from uuid import UUID
from zlib import crc32

import schemathesis

_EXISTING: dict[str, str] = json.loads(os.environ["EXISTING_IDS"])
"""By the name of the path parameter."""


_BESIDE_IDS = {f"/api/custom-agents/{name}" for name in ("tools", "models", "knowledge-bases")}
_OTHER_METHODS = ("ST204", "ST205")
"""Schemathesis' codes for an answer to a method that isn't declared, and for its `Allow`."""

_NOTHING = "0190b5a0-0000-7000-8000-000000000000"

schemathesis.serializer.alias("application/x-ndjson", "text/plain")


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: "schemathesis.Case[Any]", __: dict[str, Any]) -> None:
    """Three of four valid ids become that of what exists. What exists is not deleted, and no event stream,
    which never ends, is opened: Schemathesis too uses ids that it saw in answers."""
    endless = case.operation.path.endswith(("/events", "/stream"))
    spared = case.method == "DELETE" or endless
    for name, existing in _EXISTING.items():
        value = case.path_parameters.get(name)
        if spared and (value == existing or (endless and isinstance(value, str) and _is_uuid(value))):
            case.path_parameters[name] = _NOTHING
        elif not spared and _replaceable(value, existing):
            case.path_parameters[name] = existing


@schemathesis.hook
def filter_failure(
    _: schemathesis.HookContext, failure: Any, case: "schemathesis.Case[Any]", __: Any
) -> bool:
    """`PUT /api/custom-agents/tools` names an agent: the list stands beside the agents' ids. So it is a 400,
    as for every name that is no id."""
    return not (case.operation.path in _BESIDE_IDS and failure.code in _OTHER_METHODS)


def _replaceable(value: Any, existing: str) -> bool:
    if not isinstance(value, str) or not crc32(value.encode(errors="replace")) % 4:
        return False
    return _is_uuid(value) if _is_uuid(existing) else 0 < len(value) < 256 and "\x00" not in value


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
