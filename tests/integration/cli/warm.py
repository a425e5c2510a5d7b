"""Runs a command of ``takaro`` in a process forked from one that has imported it: a tenth of the start."""

import importlib
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence

import common.cli

for module in pkgutil.iter_modules(common.cli.__path__):
    importlib.import_module(f"common.cli.{module.name}")


def run(arguments: Sequence[str], environment: Mapping[str, str], files: Sequence[str]) -> None:
    """The command with ``files`` as its standard input, output and errors; exits with its status."""
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, (path, flags) in enumerate(
        zip(files, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)
    ):
        os.dup2(os.open(path, flags), descriptor)
    sys.stdin, sys.stdout, sys.stderr = (
        open(descriptor, mode, closefd=False, encoding="utf-8")  # noqa: SIM115 - for as long as the process
        for descriptor, mode in enumerate("rww")
    )
    sys.argv = ["takaro", *arguments]
    try:
        common.cli.app()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
