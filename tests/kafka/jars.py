"""Apache Kafka's jars, from Maven Central into .local/kafka: those of jars.txt, each verified by its SHA-256.

`python -m tests.kafka.jars` checks whether Kafka can run here: if not, it exits with 1 and prints why.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

MAVEN_CENTRAL = "https://repo1.maven.org/maven2"
LIST = Path(__file__).with_name("jars.txt")
FOLDER = Path(__file__).parents[2] / ".local" / "kafka"
JAVA = 17


def listed() -> dict[str, str]:
    """Path in the repository → SHA-256."""
    lines = LIST.read_text().splitlines()
    return {path: digest for digest, path in (line.split() for line in lines)}


def missing() -> list[str]:
    """The paths that aren't in the cache."""
    return [path for path in listed() if not _cached(path).exists()]


def fetch() -> Path:
    """Download what is missing. Returns the folder that holds all of it. Raises httpx.HTTPError or
    ValueError."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    digests = listed()
    with httpx.Client(timeout=60, follow_redirects=True) as client, ThreadPoolExecutor(4) as pool:

        def get(path: str) -> None:
            answer = client.get(f"{MAVEN_CENTRAL}/{path}").raise_for_status()
            if hashlib.sha256(answer.content).hexdigest() != digests[path]:
                raise ValueError(f"{path} has another SHA-256 than jars.txt says")
            part = _cached(path).with_suffix(".part")
            part.write_bytes(answer.content)
            part.rename(_cached(path))

        list(pool.map(get, missing()))
    return FOLDER


def java_version() -> int:
    """The major version of the Java on PATH; 0 if there is none."""
    if shutil.which("java") is None:
        return 0
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(found[1]) if found else 0


def why_not() -> str | None:
    """Why Kafka can't run here; None if it can."""
    if (version := java_version()) < JAVA:
        return f"Java {JAVA} is needed, and there is {f'Java {version}' if version else 'none'} on PATH"
    if paths := missing():
        try:
            httpx.head(f"{MAVEN_CENTRAL}/{paths[0]}", timeout=20).raise_for_status()
        except httpx.HTTPError as error:
            return f"Maven Central doesn't answer: {error!r}"
    return None


def _cached(path: str) -> Path:
    return FOLDER / path.rpartition("/")[2]


if __name__ == "__main__":
    reason = why_not()
    if reason is not None:
        print(reason)
        sys.exit(1)
