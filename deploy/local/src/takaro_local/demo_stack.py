"""The stack that the demo speaks to: the one that runs here, else one of its own on free ports."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from takaro_local.clients import redis_url
from takaro_local.ports import free_port
from takaro_local.server import HOST
from takaro_local.settings import LocalSettings

_READY_SECONDS = 90.0
_DOCS_BASE = "demo-docs"
_PROJECT_BASE = "project-docs"
_OWN_SETTINGS = ("DATABASE_URL", "REDIS_URL", "OTEL_EXPORTER_OTLP_ENDPOINT")


class StackNotReadyError(Exception):
    """The demo's own stack did not become ready; the message holds what it said."""


@dataclass(slots=True, frozen=True)
class Addresses:
    """Where a stack answers, and the knowledge base to ask."""

    chat: str
    knowledge: str
    cockpit: str
    traces: str
    redis: str
    knowledge_base: str


@contextmanager
def stack(
    environment: Mapping[str, str], docs: Path | None, say: Callable[[str], None]
) -> Iterator[Addresses]:
    """Addresses of the running stack; when none runs, or ``docs`` is given, of one that goes afterwards."""
    settings = LocalSettings.read(environment)
    if docs is None and _answers(running := _addresses(settings, _PROJECT_BASE)):
        say("a local stack runs here: the demo uses it")
        yield running
        return
    with tempfile.TemporaryDirectory(prefix="takaro-demo-", ignore_cleanup_errors=True) as folder:
        yield from _own(dict(environment), Path(folder), docs, say)


def _own(
    environment: dict[str, str], folder: Path, docs: Path | None, say: Callable[[str], None]
) -> Iterator[Addresses]:
    for name in _OWN_SETTINGS:
        environment.pop(name, None)
    names = [name for name in LocalSettings.model_fields if name.endswith("_port")]
    environment |= {name.upper(): str(free_port()) for name in names}
    environment |= {"TAKARO_DATA_DIR": str(folder / "data"), "LOG_FORMAT": "json"}
    if docs is not None:
        base = {"id": _DOCS_BASE, "name": docs.name, "source": docs.resolve().as_uri()}
        file = folder / "knowledge-bases.yaml"
        file.write_text(yaml.safe_dump({"knowledgeBases": [base]}))
        environment["KNOWLEDGE_BASES_FILE"] = str(file)
    say("no local stack is used: starting one on free ports")
    began = time.monotonic()
    with (folder / "stack.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "takaro_local"], env=environment, stdout=log, stderr=log
        )
    addresses = _addresses(LocalSettings.read(environment), _DOCS_BASE if docs else _PROJECT_BASE)
    try:
        while not _answers(addresses):
            if child.poll() is not None or time.monotonic() - began > _READY_SECONDS:
                raise StackNotReadyError((folder / "stack.log").read_text()[-3000:])
            time.sleep(0.1)
        say(f"it is ready after {time.monotonic() - began:.1f} s")
        yield addresses
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(40)


def _addresses(settings: LocalSettings, knowledge_base: str) -> Addresses:
    ports = (settings.chat_port, settings.knowledge_port, settings.cockpit_port, settings.otlp_port)
    chat, knowledge, cockpit, traces = (f"http://{HOST}:{port}" for port in ports)
    return Addresses(chat, knowledge, cockpit, traces, redis_url(settings), knowledge_base)


def _answers(addresses: Addresses) -> bool:
    """Whether all three services are ready and the collector is there."""
    paths = [f"{url}/ready" for url in (addresses.chat, addresses.knowledge, addresses.cockpit)]
    try:
        with httpx.Client(timeout=3, trust_env=False) as client:
            return all(client.get(path).status_code == 200 for path in [*paths, f"{addresses.traces}/health"])
    except httpx.TransportError:
        return False
