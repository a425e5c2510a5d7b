"""The stack that the demo uses: the one that runs here, else its own on free ports."""

import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import ValidationError

from takaro_local import process
from takaro_local.clients import redis_url
from takaro_local.demo.caller import FAILURES, StepFailedError
from takaro_local.ports import free_port
from takaro_local.server import HOST
from takaro_local.settings import LocalSettings, problems_of

_READY_SECONDS = 120.0
#: A running stack should be ready already; if it isn't, something is wrong with it.
_ANSWER_SECONDS = 5.0
_STOP = ((signal.SIGTERM, 40.0),)
_DOCS_BASE = "demo-docs"
_PROJECT_BASE = "project-docs"
#: Settings that would make our own stack use other servers.
_NOT_OURS = ("DATABASE_URL", "REDIS_URL", "EVENT_BUS_URL", "OTEL_EXPORTER_OTLP_ENDPOINT")
_SERVICES = ("chat", "knowledge", "cockpit")


@dataclass(slots=True, frozen=True)
class Addresses:
    """The addresses of a stack, and the knowledge base to search. ``urls`` is by service."""

    urls: Mapping[str, str]
    traces: str
    redis: str
    knowledge_base: str


@contextmanager
def stack(environment: Mapping[str, str], docs: Path | None) -> Iterator[tuple[Addresses, str]]:
    """Yield the addresses of a ready stack and a description of it. Our own stack is removed afterwards.

    The demo uses the running stack unless ``docs`` is given, because a stack reads only the folders that its
    settings name. Raises StepFailedError if the stack isn't ready.
    """
    try:
        settings = LocalSettings.read(environment)
    except ValidationError as error:
        raise StepFailedError("; ".join(problems_of(error))) from None
    running = _addresses(settings, _PROJECT_BASE)
    if docs is None and any(_is_ours(name, url) for name, url in running.urls.items()):
        _wait_ready(running, _ANSWER_SECONDS)
        ports = ", ".join(f"{name} {url.rpartition(':')[2]}" for name, url in running.urls.items())
        yield running, f"uses the stack that runs here ({ports}); all its services are ready"
        return
    with tempfile.TemporaryDirectory(prefix="takaro-demo-", ignore_cleanup_errors=True) as folder:
        yield from _own(dict(environment), Path(folder), docs)


def _own(environment: dict[str, str], folder: Path, docs: Path | None) -> Iterator[tuple[Addresses, str]]:
    for name in _NOT_OURS:
        environment.pop(name, None)
    names = [name for name in LocalSettings.model_fields if name.endswith("_port")]
    environment |= {name.upper(): str(free_port()) for name in names}
    environment |= {"TAKARO_DATA_DIR": str(folder / "data"), "LOG_FORMAT": "json", "AUTH_MODE": "dev"}
    environment |= {"SYNC_AT_START": "false"}  # the demo requests the sync itself, and follows it
    if docs is not None:
        base = {
            "id": _DOCS_BASE,
            "name": docs.resolve().name or _DOCS_BASE,
            "source": docs.resolve().as_uri(),
        }
        file = folder / "knowledge-bases.json"
        file.write_text(json.dumps({"knowledgeBases": [base]}))
        environment["KNOWLEDGE_BASES_FILE"] = str(file)
    began = time.monotonic()
    output = folder / "stack.log"
    with output.open("wb") as log:
        child = process.spawn(
            [sys.executable, "-m", "takaro_local"],
            output=log,
            death_signal=signal.SIGTERM,
            environment=environment,
        )
    addresses = _addresses(LocalSettings.read(environment), _DOCS_BASE if docs else _PROJECT_BASE)
    try:
        _wait_ready(addresses, _READY_SECONDS, child)
        ports = ", ".join(f"{name} {url.rpartition(':')[2]}" for name, url in addresses.urls.items())
        yield addresses, f"started its own stack in {time.monotonic() - began:.1f} s on free ports ({ports})"
    except FAILURES as error:
        for line in _complaints(output):
            error.add_note(line)
        raise
    finally:
        process.end(child.pid, _STOP)
        child.wait()


def _addresses(settings: LocalSettings, knowledge_base: str) -> Addresses:
    ports = {name: getattr(settings, f"{name}_port") for name in _SERVICES}
    urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
    return Addresses(urls, f"http://{HOST}:{settings.otlp_port}", redis_url(settings), knowledge_base)


def _is_ours(name: str, url: str) -> bool:
    """Whether the service answers at that URL, and not another program."""
    try:
        answer = httpx.get(f"{url}/openapi.json", timeout=3, trust_env=False)
        return bool(answer.json()["info"]["title"] == f"Takaro {name}")
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return False


def _wait_ready(addresses: Addresses, seconds: float, child: process.Child | None = None) -> None:
    deadline = time.monotonic() + seconds
    while problems := _problems(addresses):
        if child is not None and child.poll() is not None:
            problems.append(f"the stack ended with {child.returncode}")
        elif time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        advice = "" if child else "\nCheck `make run`, or stop it: the demo then starts its own stack."
        raise StepFailedError("; ".join(problems) + advice)


def _problems(addresses: Addresses) -> list[str]:
    """The services that aren't ready, each with its answer."""
    problems = []
    paths = {name: f"{url}/ready" for name, url in addresses.urls.items()}
    paths["the trace collector"] = f"{addresses.traces}/health"
    for name, path in paths.items():
        try:
            answer = httpx.get(path, timeout=5, trust_env=False)
        except httpx.HTTPError as error:
            problems.append(f"{name} doesn't answer at {path} ({type(error).__name__})")
        else:
            if answer.status_code != 200:
                problems.append(f"{name} isn't ready: {answer.text[:500]}")
    return problems


def _complaints(output: Path, count: int = 15) -> list[str]:
    """The stack's own last lines, and the warnings of its services."""
    lines = output.read_text(errors="replace").splitlines()
    return [line[:500] for line in lines if not line.startswith("{") or _warns(line)][-count:]


def _warns(line: str) -> bool:
    return any(f'"level": "{level}"' in line for level in ("warning", "error", "critical"))
