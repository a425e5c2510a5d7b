"""curl for tests on a machine that has none: what our documents use of it, on httpx."""

import os
import shutil
import sys
from pathlib import Path

import httpx

OPTIONS_WITH_VALUE = ("-H", "-d", "--retry", "-X")


def path_with_curl(folder: Path) -> str:
    """A ``PATH`` on which there is a curl: the machine's own, else one that is made in ``folder``."""
    path = os.environ.get("PATH", os.defpath)
    if shutil.which("curl", path=path):
        return path
    program = folder / "curl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{path}"


def main(words: list[str]) -> int:
    """Send the request, and print its body."""
    headers, data, url, get = {}, [], "", "-G" in words
    while words:
        word = words.pop(0)
        value = words.pop(0) if word in OPTIONS_WITH_VALUE else ""
        if word == "-H":
            name, _, text = value.partition(":")
            headers[name] = text.strip()
        elif word == "-d":
            data.append(value)
        elif not word.startswith("-"):
            url = word
    body = "&".join(data)
    method = "POST" if data and not get else "GET"
    url += f"?{body}" if get and body else ""
    answer = httpx.request(
        method, url, headers=headers, content=None if get else body, trust_env=False, timeout=60
    )
    sys.stdout.write(answer.text)
    return 0 if answer.is_success else 22


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
