"""The newest facts of all conversations, as many as fit into so many bytes."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from operator import attrgetter

from chat.live.records import LiveFact
from common import codec
from contracts import chat as contracts

_sequence = attrgetter("sequence")


class RecentFacts:
    """Keeps what was published last, so that who was away for a while gets what it missed.

    All streams read from here, each at its own pace: a slow one costs no memory. Facts of a subject are kept
    in the order of their sequence, each once. What a redaction or a deletion takes away is taken away here.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self._bytes = most_bytes, 0
        self._all: deque[LiveFact] = deque()
        self._of: dict[str, deque[LiveFact]] = {}

    def add(self, fact: LiveFact) -> bool:
        """Keep a fact. False: it was read before."""
        known = self._of.setdefault(fact.subject, deque())
        if known and fact.sequence <= known[-1].sequence:
            return False
        if fact.type == contracts.MessageRedacted.type:
            with suppress(ValueError, LookupError, TypeError, AttributeError):  # not one of chat's
                self._redact(known, fact)
        elif fact.type == contracts.ConversationDeleted.type or (
            known and known[-1].type == contracts.ConversationDeleted.type
        ):
            self.forget([fact.subject])
            known = self._of.setdefault(fact.subject, deque())
        known.append(fact)
        self._all.append(fact)
        self._bytes += fact.size
        while self._bytes > self._most and self._all:
            self._drop_oldest()
        return True

    def next(self, subject: str, after: int) -> LiveFact | None:
        """The first fact of a subject whose sequence is higher than ``after``, of those that are kept."""
        known = self._of.get(subject)
        if not known or known[-1].sequence <= after:
            return None
        return known[bisect_right(known, after, key=_sequence)]

    def after(self, subject: str, sequence: int) -> Iterator[LiveFact]:
        """The facts of a subject after this sequence that are kept, in order."""
        known = self._of.get(subject, deque())
        return islice(known, bisect_right(known, sequence, key=_sequence), None)

    def forget(self, subjects: Iterable[str]) -> None:
        """Forget what these subjects' facts told."""
        for subject in subjects:
            for fact in self._of.pop(subject, ()):
                self._bytes -= len(fact.data)
                fact.data = b""  # its empty shell leaves with the oldest

    def clear(self) -> None:
        """Forget everything."""
        self._all.clear()
        self._of.clear()
        self._bytes = 0

    def _drop_oldest(self) -> None:
        fact = self._all.popleft()
        self._bytes -= fact.size
        known = self._of.get(fact.subject)
        if known and known[0] is fact:
            known.popleft()
            if not known:
                del self._of[fact.subject]

    def _redact(self, known: Iterable[LiveFact], redaction: LiveFact) -> None:
        about = codec.loads(redaction.data)["messageId"]
        for fact in known:
            if about.encode() in fact.data:
                size = len(fact.data)
                fact.data = _without_content(fact, about)
                self._bytes -= size - len(fact.data)


def _without_content(fact: LiveFact, message_id: str) -> bytes:
    data = codec.loads(fact.data)
    if data.get("messageId") != message_id:
        return fact.data
    for name in ("toolCalls", "toolResults", "note"):
        data.pop(name, None)
    if "content" in data:
        data["content"] = ""
    return codec.dumps(data)
