"""The steps of the demo. Each uses public interfaces, checks the result, and returns what it found."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from contracts import chat as contracts
from takaro_agent_client.events import Fact
from takaro_agent_client.operations import cockpit, conversations, knowledge, messages, states
from takaro_local.demo.caller import Caller, StepFailedError, check, eventually, trace_of
from takaro_local.demo.documents import holds
from takaro_local.demo.screen import Finding, Screen
from takaro_local.demo.stack import Addresses
from takaro_local.demo.traces import DELETION, SYNC, Request, collect, fold
from takaro_operator.trace import render

_APPENDED = contracts.MessageAppended.type
_CLOUD_EVENT = ("id", "source", "type", "subject", "time", "sequence", "traceparent")
_GREETING = "say Welcome to the server!"
_EVENTS = {"player-disconnected", "player-connected", "command-executed", "chat-message"}
#: A sync that publishes no fact for this long counts as stuck.
_QUIET_SYNC_SECONDS = 180.0
#: Characters of an answer that are shown.
_SHOWN = 150


class Demo:
    """One run as one user."""

    def __init__(self, addresses: Addresses, caller: Caller, screen: Screen) -> None:
        self._caller, self._screen = caller, screen
        self._traces = addresses.traces
        self._base = addresses.knowledge_base
        self._conversation = self._session = ""
        self._sync_request = Request.new()

    def run(self, questions: Sequence[str]) -> None:
        """Run all steps in order. Raises the error of the first step that fails, after cleaning up."""
        try:
            self._screen.step("conversation", self._create_conversation)
            self._screen.step("messages", self._append_messages)
            self._screen.step("state", self._patch_state)
            self._screen.step("knowledge base", self._sync)
            for question in questions:
                self._screen.step("question", partial(self._ask, question))
            self._screen.step("game server", self._start_server)
            self._screen.step("console", self._command)
            self._screen.step("trace: sync", self._show_sync)
            self._screen.step("trace: deletion", self._delete_conversation)
        finally:
            self._clean_up()

    def _create_conversation(self) -> Iterator[Finding]:
        created = self._caller.send(conversations.create("module-writer"))
        self._conversation = str(created.id)
        again = self._caller.send(conversations.get(created.id))
        check(
            again == created and created.user_id == self._caller.user,
            f"GET should return what POST returned, not {again}",
        )
        yield f"{created.id} with {created.agent_id}/{created.agent_version}, created over HTTP"

    def _append_messages(self) -> Iterator[Finding]:
        listing = messages.listing(self._conversation)
        before = self._caller.newest("chat.events")
        said = [
            "Write a module that greets new players.",
            "I look at the hooks first.",
            "Here it is: it listens to player-connected and says hello.",
            "Thank you. Try it on the mock server.",
        ]
        self._caller.send(messages.post(self._conversation, said[0]))
        for content in said[1:3]:
            self._caller.command(
                contracts.AppendMessage(
                    conversation_id=UUID(self._conversation), role="assistant", content=content
                )
            )
        eventually(
            lambda: self._caller.all(listing),
            lambda found: len(found) == 3,
            "the commands should be carried out",
        )
        self._caller.send(messages.post(self._conversation, said[3]))
        read = [message.content for message in self._caller.all(listing)]
        check(read == said, f"messages should be read in the order in which they were accepted, not {read}")
        yield "2 over HTTP, 2 by XADD chat.commands; all 4 read back in order"
        facts = self._facts_of_messages(before, len(said))
        check(
            [fact.data["content"] for fact in facts] == said,
            "chat.events should have their facts in that order",
        )
        sequences = [fact.sequence or 0 for fact in facts]
        check(
            sequences == list(range(sequences[0], sequences[0] + 4)),
            f"facts should be numbered without gaps, not {sequences}",
        )
        missing = [name for fact in facts for name in _CLOUD_EVENT if not getattr(fact, name)]
        check(not missing, f"each fact should have {', '.join(_CLOUD_EVENT)}; missing: {missing}")
        yield f"their facts on chat.events: {_APPENDED}, sequence {sequences[0]} to {sequences[-1]}"

    def _facts_of_messages(self, after: str, count: int) -> list[Fact]:
        facts = []
        for fact in self._caller.facts("chat.events", after):
            if fact.type == _APPENDED and fact.data["conversationId"] == self._conversation:
                facts.append(fact)
            if len(facts) == count:
                break
        return facts

    def _patch_state(self) -> Iterator[Finding]:
        id = self._conversation
        before = self._caller.send(states.get(id)).version
        self._caller.send(states.patch(id, {"moduleId": "m-1", "draft": True}))
        after = self._caller.send(
            states.patch(id, {"moduleName": "greeter", "draft": None}, expected_version=before + 1)
        )
        wanted = {"moduleId": "m-1", "moduleName": "greeter"}
        check(after.state == wanted, f"two merge patches should give {wanted}, not {after.state}")
        check(after.version == before + 2, f"the version should count both: {before} → {after.version}")
        yield f"two merge patches: {after.state}, version {after.version}"

    def _sync(self) -> Iterator[Finding]:
        after = self._caller.newest("knowledge.events")
        job = self._caller.send(knowledge.sync(self._base), trace=self._sync_request.traceparent)
        check(job.status == "queued", f"the job should be queued: {job}")
        done = self._end_of_sync(after, job.job_id)
        base = self._caller.send(knowledge.get(self._base))
        check(base.document_count > 0, f"{base.source} should have documents: {base}")
        check(base.last_commit_sha == done.data["sha"], f"the base should be at {done.data['sha']}: {base}")
        check(trace_of(done) == self._sync_request.trace_id, "the fact should have the trace of the request")
        yield f"{base.name}: {base.document_count} documents of {base.source}"
        wrote = (
            f"{done.data['chunksCreated']} chunks written" if done.data["chunksCreated"] else "nothing new"
        )
        yield f"sync {done.data['syncType']}, {wrote}, at {done.data['sha'][:12]}; BullMQ job {job.job_id}"

    def _end_of_sync(self, after: str, job: str) -> Fact:
        """Wait for the end of our sync. Show any sync's progress meanwhile: ours waits while another runs."""
        for fact in self._caller.facts("knowledge.events", after, quiet_seconds=_QUIET_SYNC_SECONDS):
            if fact.type == "knowledge.sync.progressed.v1":
                read = f"{fact.data['filesRead']} of {fact.data['filesToRead']} files read"
                wrote = f"{fact.data['rowsWritten']} of {fact.data['rowsToWrite']} chunks written"
                self._screen.progress(f"{read}, {fact.data['chunksEmbedded']} chunks embedded, {wrote}")
            if str(fact.data.get("syncId")) not in job:
                continue
            if fact.type == "knowledge.sync.failed.v1":
                raise StepFailedError(f"the sync should complete, but failed: {fact.data['reason']}")
            if fact.type == "knowledge.sync.completed.v1":
                return fact
        raise AssertionError("facts end only by an error")

    def _ask(self, question: str) -> Iterator[Finding]:
        folder = Path(unquote(urlsplit(self._caller.send(knowledge.get(self._base)).source).path))
        hits = self._caller.send(knowledge.search(self._base, question, limit=3))
        scores = [hit.score for hit in hits]
        check(bool(hits), f"{question!r} should find something")
        check(
            scores == sorted(scores, reverse=True) and 0 < scores[0] <= 1,
            f"the best hit should be first: {scores}",
        )
        for hit in hits:
            source = hit.metadata["sourceFile"]
            file = folder if folder.is_file() else folder / source
            check(holds(file, hit.content), f"the quotation of {source} should be in {file}")
        yield question
        for hit in hits:
            text = " ".join(hit.content.split())
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
            yield f"{hit.score:.3f}  {hit.metadata['sourceFile']}  {shown}"

    def _start_server(self) -> Iterator[Finding]:
        session = self._caller.send(cockpit.session(self._conversation)).id
        again = self._caller.send(cockpit.session(self._conversation)).id
        check(session == again, f"a conversation should have one session, not {session} and {again}")
        self._caller.send(cockpit.start(session))
        status = eventually(
            lambda: self._caller.send(cockpit.status(session)),
            lambda status: status.status == "running",
            "the mock server should run",
        )
        players = [player.name for player in self._caller.send(cockpit.players(session)).players]
        check(len(players) == 5, f"there should be five players, not {players}")
        self._session = str(session)
        yield f"session {session}: {status.game_server_id} runs; players {', '.join(players)}"

    def _command(self) -> Iterator[Finding]:
        with self._caller.follow(cockpit.events(self._session)) as events:
            first, _ = next(events)
            check(first == "connected", f"the event stream should begin with connected, not {first}")
            for command in ("disconnectAll", "connectAll", _GREETING):
                answer = self._caller.send(cockpit.command(self._session, command))
                check(answer.success, f"the console should accept {command}: {answer}")
            yield f"disconnectAll, connectAll, {_GREETING!r} were carried out; their events over SSE:"
            kinds: set[str] = set()
            deadline = time.monotonic() + 20
            while not kinds >= _EVENTS:
                check(time.monotonic() < deadline, f"{sorted(_EVENTS)} should arrive; so far {sorted(kinds)}")
                name, event = next(events)
                if name == "event":
                    kinds.add(event["eventName"])
                    yield f"{event['eventName']:20} {_meta(event['meta'])}"

    def _show_sync(self) -> Iterator[Finding]:
        request = self._sync_request
        spans = collect(self._traces, request, SYNC)
        yield f"POST …/sync → SQL → BullMQ → worker → SQL → facts: {len(spans)} spans, one trace id"
        yield render(request.trace_id, fold(spans))

    def _delete_conversation(self) -> Iterator[Finding]:
        request, before = Request.new(), self._caller.newest("cockpit.events")
        self._caller.send(conversations.delete(self._conversation), trace=request.traceparent)
        stopped = self._caller.fact(
            "cockpit.events",
            before,
            lambda fact: (
                fact.data.get("conversationId") == self._conversation and fact.data.get("status") == "stopped"
            ),
            "the game server stopped with its conversation",
        )
        check(trace_of(stopped) == request.trace_id, "cockpit's fact should have the trace of the deletion")
        self._conversation = ""
        yield "DELETE at chat stopped the game server at cockpit, through the fact about it"
        spans = collect(self._traces, request, DELETION)
        services = " and ".join(sorted({span["service"] for span in spans}))
        yield f"HTTP → SQL → outbox → chat.events → cockpit: {len(spans)} spans of {services}, one trace id"
        yield render(request.trace_id, fold(spans))

    def _clean_up(self) -> None:
        """Delete the conversation of a run that failed half-way, on a stack that was running before."""
        if self._conversation:
            try:
                self._caller.send(conversations.delete(self._conversation))
            except StepFailedError as error:
                self._screen.say(f"the demo's conversation could not be deleted: {error}")


def _meta(meta: Mapping[str, Any]) -> str:
    """An event's content on one line."""
    shown = {
        key: value.get("name", value) if isinstance(value, dict) else value for key, value in meta.items()
    }
    return "  ".join(f"{key}={' '.join(str(value).split())[:80]}" for key, value in shown.items())
