"""A reader's process: takes tasks on the socket that is its standard input, and answers each there.

A request is two lengths (of the JSON, of the content), the JSON ``{"task": "module:function",
"arguments": […], "named": {…}}``, and the content. An answer is a length and JSON: ``{"value": …}`` or
``{"error": kind, "reason", "code"}``, the seconds of CPU that it took (``cpu``), and whether the process had
better be replaced (``retire``).

The process has no settings and no credentials. It imports what a task needs when the first such task comes.
Run as ``python -I -m knowledge.readers.program <pid of the service> <bytes of memory> <seconds of CPU>``.
"""

import ctypes
import logging
import os
import resource
import signal
import socket
import struct
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any

from common import codec

REQUEST = struct.Struct("!II")
ANSWER = struct.Struct("!I")
READY = b"ready"
MEMORY = "memory"
"""The kind of error that says that a task was given up for want of memory."""

_NICE = 5
_PR_SET_PDEATHSIG = 1
_KINDS = ("UnsupportedContent", "PermanentError", "TransientError")


def main() -> None:
    parent, memory, cpu_seconds = map(int, sys.argv[1:])
    _confine(parent, memory)
    connection = socket.socket(fileno=os.dup(0))
    incoming = connection.makefile("rb")
    import_module("knowledge.content.files.rules")  # what nearly every task needs
    connection.sendall(READY)
    while header := incoming.read(REQUEST.size):
        sizes = REQUEST.unpack(header)
        request = codec.loads(incoming.read(sizes[0]))
        answer = _answer(request, incoming.read(sizes[1]), cpu_seconds)
        # What a large file needed may never be given back.
        answer["retire"] = _resident() > memory // 4
        encoded = codec.dumps(answer)
        connection.sendall(ANSWER.pack(len(encoded)) + encoded)


def _confine(parent: int, memory: int) -> None:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    os.nice(_NICE)  # the service answers first
    with suppress(OSError, AttributeError):  # Linux: it ends with the service, and is the first to go
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    if os.getppid() != parent:
        sys.exit("the service is gone")


def _answer(request: dict[str, Any], content: bytes, cpu_seconds: int) -> dict[str, Any]:
    before = _cpu()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(before) + cpu_seconds + 1, hard))
    try:
        module, _, name = request["task"].partition(":")
        task = getattr(import_module(module), name)
        answer = {"value": task(content, *request["arguments"], **request["named"])}
    except MemoryError:
        answer = {"error": MEMORY, "reason": ""}
    except RecursionError:
        answer = {"error": "UnsupportedContent", "reason": "the file is nested too deeply"}
    except Exception as error:  # noqa: BLE001 - a parser's defect, or what the task says on purpose
        answer = _error(error)
    return answer | {"cpu": _cpu() - before}


def _error(error: Exception) -> dict[str, Any]:
    names = [kind.__name__ for kind in type(error).__mro__]
    kind = next((name for name in names if name in _KINDS), "")
    reason = str(error) if kind else f"{names[0]}: {error}"
    reason = reason.encode("utf-8", "replace").decode().replace("\x00", "")[:500]
    return {"error": kind, "reason": reason, "code": getattr(error, "code", None)}


def _resident() -> int:
    """Bytes in memory now; 0 where that can't be told. Not ``ru_maxrss``: it begins with the service's."""
    with suppress(OSError), open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()
    return 0


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
