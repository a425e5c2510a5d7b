"""Small files that other processes read while they are written again."""

import os
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write ``path`` anew: readers see the old text or the new one. Only the owner may read it, from the
    first byte on."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
