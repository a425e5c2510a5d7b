"""``python -m takaro_local.demo`` (``make demo``): the main job on real input, each step checked."""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from rich.console import Console
from rich.text import Text

from common.cli.trace import render
from takaro_local.demo_caller import Caller, StepFailedError, check, eventually
from takaro_local.demo_stack import Addresses, StackNotReadyError, stack
from takaro_local.settings import surroundings

_QUESTIONS = (
    "How do I take the last batch of migrations back?",
    "What can a person do on the mock game server?",
    "How does a service hear about what changed in another one?",
)
_SERVICES = {"chat", "knowledge", "cockpit"}
#: A heading of so many words says what its section is about.
_TELLING_WORDS = 3
_COMMAND = "disconnectPlayer 2"
_COMMAND_EVENTS = {"player-connected", "player-disconnected", "command-executed"}
_APPEND = "chat.message.append.v1"
_SYNC_ENDS = ("knowledge.sync.completed.v1", "knowledge.sync.failed.v1")
_SERVER_CHANGED = ("cockpit.server.status_changed.v1",)
_console = Console(highlight=False, soft_wrap=True)


class Demo:
    """One run. Each step says what it did, or raises StepFailedError."""

    def __init__(self, addresses: Addresses, caller: Caller) -> None:
        self._caller = caller
        self._traces = addresses.traces
        self._conversations = f"{addresses.chat}/api/conversations"
        self._base = f"{addresses.knowledge}/api/knowledge-bases/{addresses.knowledge_base}"
        self._sessions = f"{addresses.cockpit}/api/cockpit/sessions"
        self._step, self._began = 0, time.monotonic()

    def run(self, questions: Sequence[str]) -> None:
        """All steps in order."""
        conversation = self._create_conversation()
        self._append_messages(conversation)
        self._patch_state(conversation)
        self._sync()
        for question in questions:
            self._ask(question)
        session = self._start_server(conversation)
        self._command(session)
        self._one_turn(conversation, session)

    def _create_conversation(self) -> str:
        created = self._caller.post(self._conversations, {"agentId": "module-writer"})
        check(created["userId"] == self._caller.user, "the conversation belongs to the caller")
        self._done(
            f"created conversation {created['id']} with {created['agentId']}/{created['agentVersion']}"
        )
        return str(created["id"])

    def _append_messages(self, conversation: str) -> None:
        url = f"{self._conversations}/{conversation}/messages"
        asked, answered = "Write me a module that greets new players", "Here it is."
        self._caller.post(url, {"content": asked})
        self._done("appended the user's message over HTTP")
        message = {"conversationId": conversation, "role": "assistant", "content": answered}
        entry = self._caller.send("chat.commands", _APPEND, message)
        messages = eventually(
            lambda: self._caller.get(url), lambda messages: len(messages) == 2, "both messages read back"
        )
        check([message["content"] for message in messages] == [asked, answered], "messages keep their order")
        self._done(f"appended the agent's by XADD chat.commands (entry {entry}), read both back in order")

    def _patch_state(self, conversation: str) -> None:
        url = f"{self._conversations}/{conversation}/state"
        self._caller.patch(url, {"moduleId": "m-1", "draft": True})
        self._caller.patch(url, {"moduleName": "greeter", "draft": None})
        state = self._caller.get(url)["state"]
        check(state == {"moduleId": "m-1", "moduleName": "greeter"}, f"the patches merge; state: {state}")
        self._done(f"patched the state twice: {json.dumps(state)}")

    def _sync(self) -> None:
        newest = self._caller.newest("knowledge.events")
        job = self._caller.post(f"{self._base}/sync", {})["jobId"]
        self._note(f"job {job} is queued in BullMQ; embedding takes a while the first time")
        fact = self._caller.fact(
            "knowledge.events", newest, _SYNC_ENDS, lambda fact: fact["syncId"] in job, seconds=600
        )
        check("sha" in fact, f"the sync completes: {fact.get('reason')}")
        base = self._caller.get(self._base)
        check(base["documentCount"] > 0, f"documents of {base['source']} are indexed")
        self._done(
            f"synced {base['id']} ({fact['syncType']}): {base['documentCount']} files of {base['source']}"
        )

    def _ask(self, question: str) -> None:
        hits = self._caller.get(f"{self._base}/search", q=question, limit=3)
        scores = [hit["score"] for hit in hits]
        check(bool(hits) and scores == sorted(scores, reverse=True), f"answers come best first: {scores}")
        self._done(f"asked: {question}")
        for hit in hits:
            text = " ".join(hit["content"].split())[:90]
            self._note(f"{hit['score']:.3f}  {hit['metadata']['sourceFile']}  {text}…")

    def _start_server(self, conversation: str) -> str:
        session = self._caller.get(f"{self._sessions}/{conversation}")["id"]
        url = f"{self._sessions}/{session}"
        self._caller.post(f"{url}/mock-server/start", {})
        eventually(
            lambda: self._caller.get(f"{url}/mock-server/status")["status"],
            lambda status: status == "running",
            "the mock server runs",
        )
        players = [player["name"] for player in self._caller.get(f"{url}/players")["players"]]
        self._done(f"started a mock game server; its players: {', '.join(players)}")
        return str(session)

    def _command(self, session: str) -> None:
        url = f"{self._sessions}/{session}"
        seen: list[str] = []
        with self._caller.follow(f"{url}/events") as events:
            result = self._caller.post(f"{url}/mock-server/command", {"command": _COMMAND})
            self._done(f"sent the console command {_COMMAND}: {result['result']}")
            for line in events.iter_lines():
                event = json.loads(line[5:]) if line.startswith("data:") else {}
                if "eventName" not in event:
                    continue
                seen.append(event["eventName"])
                self._note(f"{event['eventName']}  {json.dumps(event['meta'], ensure_ascii=False)[:90]}")
                if set(seen) >= _COMMAND_EVENTS:
                    break
        check(set(seen) >= _COMMAND_EVENTS, f"its events arrive, got {seen}")
        self._done("followed its events as they came (SSE)")

    def _one_turn(self, conversation: str, session: str) -> None:
        """What an agent's turn may do, in one trace: look something up, act in the game, answer, clean up."""
        provider = TracerProvider(resource=Resource.create({"service.name": "demo"}))
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{self._traces}/v1/traces")))
        newest = self._caller.newest("cockpit.events")
        url = f"{self._conversations}/{conversation}"
        with provider.get_tracer("demo").start_as_current_span("turn") as turn:
            self._caller.get(f"{self._base}/search", q="greet a player", limit=1)
            self._caller.post(f"{self._sessions}/{session}/mock-server/command", {"command": "say Welcome"})
            message = {"conversationId": conversation, "role": "assistant", "content": "Players are greeted."}
            self._caller.send("chat.commands", _APPEND, message)
            eventually(
                lambda: len(self._caller.get(f"{url}/messages")),
                lambda count: count == 3,
                "the answer is stored",
            )
            self._caller.delete(url)
        provider.shutdown()
        self._caller.fact(
            *("cockpit.events", newest, _SERVER_CHANGED),
            lambda fact: fact["conversationId"] == conversation and fact["reason"] == "conversation_deleted",
        )
        self._done("deleted the conversation; its game server stopped by the event that told of it")
        trace_id = f"{turn.get_span_context().trace_id:032x}"
        spans = self._spans(trace_id)
        _console.print(render(trace_id, spans))
        self._done(f"followed one turn through all three services: {len(spans)} spans, one trace")

    def _spans(self, trace_id: str) -> list[dict[str, Any]]:
        """The trace's spans, once they have come from all services."""

        def fetch() -> list[dict[str, Any]]:
            answer = httpx.get(f"{self._traces}/traces/{trace_id}", trust_env=False)
            spans: list[dict[str, Any]] = answer.json()["data"] if answer.is_success else []
            return spans

        return eventually(
            fetch,
            lambda spans: {span["service"] for span in spans} >= _SERVICES | {"demo"},
            "the trace has spans of all three services",
        )

    def _done(self, what: str) -> None:
        self._step += 1
        line = Text.assemble((f" ✓ {self._step:2} ", "bold green"), what)
        line.append(f"  +{time.monotonic() - self._began:.1f} s", "dim")
        _console.print(line)

    def _note(self, what: str) -> None:
        _console.print(Text(f"      {what}", style="dim"))


def questions_about(docs: Path) -> Sequence[str]:
    """Three questions whose answers are in a folder of Markdown: headings from all over it."""
    lines = (
        line for file in sorted(docs.rglob("*.md")) for line in file.read_text(errors="replace").splitlines()
    )
    headings = list(dict.fromkeys(line.lstrip("# ").strip() for line in lines if line.startswith("#")))
    telling = [heading for heading in headings if len(heading.split()) >= _TELLING_WORDS]
    chosen = telling or headings or [docs.name]
    return [chosen[index * (len(chosen) - 1) // 2] for index in range(3)]


def main() -> int:
    """Run the demo, on DOCS (a folder of Markdown) instead of this project's; 0 when every step holds."""
    docs = Path(os.environ["DOCS"]).expanduser() if os.environ.get("DOCS") else None
    if docs is not None and not any(docs.rglob("*.md")):
        _console.print(Text(f"DOCS={docs} holds no Markdown files", style="red"))
        return 1
    try:
        with (
            stack(surroundings(), docs, lambda line: _console.print(Text(line, style="dim"))) as addresses,
            Caller(f"demo-{uuid4().hex[:8]}", addresses.redis) as caller,
        ):
            Demo(addresses, caller).run(_QUESTIONS if docs is None else questions_about(docs))
    except (StepFailedError, StackNotReadyError, httpx.HTTPError) as error:
        _console.print(Text(f" ✗ {error}", style="bold red"))
        return 1
    _console.print(Text("every step was checked", style="bold green"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
