"""Where the running stack is: it writes its addresses into its data folder, and clients read them there.

Only what the standard library and dotenv have is imported: ``takaro`` starts through this.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[4]
"""The checkout, which holds ``.env`` and, unless TAKARO_DATA_DIR says otherwise, the data folder."""
_FILE = "addresses.json"


def write(folder: Path, addresses: Mapping[str, str]) -> None:
    """Leave the stack's settings that clients need (name → value) in its data folder."""
    fresh = folder / f"{_FILE}.new"
    fresh.write_text(json.dumps({"pid": os.getpid(), "settings": dict(addresses)}))
    fresh.chmod(0o600)  # DATABASE_URL may hold a password
    fresh.replace(folder / _FILE)


def of_running_stack(folder: Path) -> dict[str, str]:
    """The settings of the stack that runs on this data folder; empty if none does."""
    try:
        found = json.loads((folder / _FILE).read_text())
        os.kill(found["pid"], 0)
    except PermissionError:  # it runs as another user
        pass
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    settings: dict[str, str] = found["settings"]
    return settings


def settings_of_clients(root: Path = ROOT) -> dict[str, str]:
    """What a client runs with: the environment, above the running stack, above ``.env``; an empty value
    counts as unset."""
    from_file: Mapping[str, str | None] = {}
    if (root / ".env").exists():
        from dotenv import dotenv_values

        from_file = dotenv_values(root / ".env")
    named = os.environ.get("TAKARO_DATA_DIR") or from_file.get("TAKARO_DATA_DIR") or ".local"
    running = of_running_stack(root / Path(named).expanduser())
    found: dict[str, str] = {}
    for source in (from_file, running, os.environ):
        found |= {name: value for name, value in source.items() if value}
    return found
