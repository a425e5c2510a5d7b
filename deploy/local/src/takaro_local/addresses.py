"""Where the running stack is: it writes its addresses into its data folder, and clients read them there.

Only what the standard library and dotenv have is imported: ``takaro`` starts through this.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from takaro_local.files import replace_file

ROOT = Path(__file__).parents[4]
"""The checkout, which holds ``.env`` and, unless TAKARO_DATA_DIR says otherwise, the data folder."""
_FILE = "addresses.json"


def write(folder: Path, addresses: Mapping[str, str]) -> None:
    """Leave the stack's settings that clients need (name → value) in its data folder."""
    replace_file(folder / _FILE, json.dumps({"pid": os.getpid(), "settings": dict(addresses)}))


def of_running_stack(folder: Path) -> dict[str, str]:
    """The settings of the stack that runs on this data folder; empty if none does."""
    try:
        found = json.loads((folder / _FILE).read_text())
        settings: dict[str, str] = found["settings"]
        os.kill(found["pid"], 0)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return settings


def layered(*sources: Mapping[str, str | None]) -> dict[str, str]:
    """Settings of which later sources override earlier ones; an empty value counts as unset."""
    return {name: value for source in sources for name, value in source.items() if value}


def settings_of_clients(root: Path = ROOT) -> dict[str, str]:
    """What a client runs with: the environment, above the running stack, above ``.env``."""
    from_file: Mapping[str, str | None] = {}
    if (root / ".env").exists():
        from dotenv import dotenv_values

        from_file = dotenv_values(root / ".env")
    named = os.environ.get("TAKARO_DATA_DIR") or from_file.get("TAKARO_DATA_DIR") or ".local"
    return layered(from_file, of_running_stack(root / Path(named).expanduser()), os.environ)
