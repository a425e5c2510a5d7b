"""Run a command that must not outlive its parent: ``python -I -S guard.py PARENT SIGNAL USER -- command …``.

It runs as a file in a fresh interpreter without site-packages (about 20 ms). The alternative, a
``preexec_fn``, is unsafe in a process with threads, and Python warns about it. The guard switches from root
to USER (``-`` keeps the user). On Linux it asks the kernel to send SIGNAL to this process when the thread
that started it ends. Then it replaces itself with the command, which keeps this process's id.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Replace this process with the command after the first ``--``. Exits with 1 if the parent has ended."""
    parent, death_signal, user = int(arguments[0]), int(arguments[1]), arguments[2]
    command = arguments[4:]
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if user != "-":
        entry = pwd.getpwnam(user)
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.environ["HOME"] = entry.pw_dir
    # After the switch of user, because the kernel clears the death signal when credentials change.
    if libc is not None and libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit(f"guard: prctl failed with errno {ctypes.get_errno()}")
    if os.getppid() != parent:
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 (no shell is the point)


if __name__ == "__main__":
    main(sys.argv[1:])
