"""The database document's own queries and commands, taken from a copy of it word for word."""

import re
from pathlib import Path

_DOCUMENT = (Path(__file__).parents[1] / "fixtures" / "database_document.md").read_text()
_PLACEHOLDER = "YOUR-UUID-HERE"


def useful_queries() -> dict[str, str]:
    """The SQL of "Useful Queries" by the comment above each."""
    blocks = _code("## Useful Queries", "sql").split("-- ")[1:]
    return {title: sql.strip() for title, sql in (block.split("\n", 1) for block in blocks)}


def query(title: str, conversation: str = "") -> str:
    """The query under the comment that starts with ``title``, the conversation filled in."""
    (sql,) = (sql for name, sql in useful_queries().items() if name.startswith(title))
    return sql.replace(_PLACEHOLDER, conversation)


def host_commands() -> list[str]:
    """The commands of "From Host"."""
    return _commands(_code("### From Host", "bash"))


def compose_commands(service: str) -> list[str]:
    """The arguments of each ``docker compose exec <service>``, anywhere in the document."""
    prefix = f"docker compose exec {service} "
    return [
        command.removeprefix(prefix)
        for block in re.findall(r"```bash\n(.*?)```", _DOCUMENT, flags=re.DOTALL)
        for command in _commands(block)
        if command.startswith(prefix)
    ]


def _code(heading: str, language: str) -> str:
    section = _DOCUMENT.split(heading, 1)[1]
    return section.split(f"```{language}\n", 1)[1].split("```", 1)[0]


def _commands(block: str) -> list[str]:
    return [line for line in block.splitlines() if line and not line.startswith("#")]
