"""What followers of turns were shown, against what is in the conversation afterwards. Pure."""

from collections.abc import Mapping
from uuid import UUID

from tests.proof.findings import Findings, excerpt
from tests.proof.turns.evidence import MessageRow, TurnRow, TurnsEvidence
from tests.proof.turns.followers import Watched
from tests.proof.turns.runtimes import Told
from tests.proof.turns.tabs import Seen


def judge_shown(
    findings: Findings, told: Told, watched: Mapping[str, Watched], evidence: TurnsEvidence
) -> None:
    """Each follower saw every piece once, in order, and the end; and nothing that isn't said now."""
    messages = {message.id: message for message in evidence.messages}
    turns = {turn.id: turn for turn in evidence.turns}
    for id_, seen in watched.items():
        _judge_numbers(findings, id_, seen, told.shown.get(id_, 0))
        if (turn := turns.get(id_)) is None:
            findings.lost.append(f"turn {id_}, which was followed")
            continue
        end = "done" if turn.state == "finished" else f"turn_{turn.state}"
        if seen.end is None:
            findings.stuck.append(f"a follower of turn {id_}, which is {turn.state}")
        elif seen.end != end:
            findings.lost.append(f"turn {id_} is {turn.state}, and its follower was told {seen.end}")
        for message_id, text in seen.texts.items():
            _judge_message(findings, turn, text, messages.get(message_id))
    findings.lost += [f"turn {id_} was followed by nobody" for id_ in told.shown if id_ not in watched]
    for message in evidence.messages:
        if message.incomplete is not None:
            turn = turns.get(message.content.partition(" ")[0])
            if turn is None or turn.state != message.incomplete:
                findings.doubled.append(f"message {message.id} is {message.incomplete}, not its turn")


def judge_seen(
    findings: Findings,
    seen: Mapping[UUID, Seen],
    watched: Mapping[str, Watched],
    sequences: Mapping[UUID, int],
) -> None:
    """Each tab saw every fact once, in order, and between them the pieces that the turns' followers saw."""
    for conversation, tab in seen.items():
        for facts in tab.facts:
            if facts and facts != list(range(facts[0], facts[0] + len(facts))):
                kind = findings.doubled if len(set(facts)) < len(facts) else findings.lost
                kind.append(f"a tab of {conversation} was told {excerpt(facts)}")
        if tab.sequence < sequences[conversation]:
            findings.stuck.append(f"a tab of {conversation} is at {tab.sequence}")
        for turn, numbers in tab.pieces.items():
            if len(set(numbers)) < len(numbers):
                findings.doubled.append(f"a tab was shown turn {turn} as {excerpt(numbers)}")
        if len(tab.facts) == 1:  # without a reset
            findings.lost += [
                f"a tab was shown {excerpt(tab.pieces.get(turn, []))} of turn {turn}"
                for turn in sorted(tab.told & set(watched))
                if tab.pieces.get(turn, []) != watched[turn].numbers
            ]


def _judge_numbers(findings: Findings, turn: str, seen: Watched, confirmed: int) -> None:
    if len(set(seen.numbers)) < len(seen.numbers):
        findings.doubled.append(f"turn {turn} was shown as {excerpt(seen.numbers)}")
    elif seen.numbers != list(range(1, len(seen.numbers) + 1)):
        findings.inversions.append(f"turn {turn} was shown as {excerpt(seen.numbers)}")
    if len(seen.numbers) < confirmed:
        findings.lost.append(f"pieces {len(seen.numbers) + 1} to {confirmed} of turn {turn} weren't shown")


def _judge_message(findings: Findings, turn: TurnRow, text: str, message: MessageRow | None) -> None:
    """An incomplete message says what was shown. The runtime's own begins with it: a piece on the stream may
    come later than the message, and than the end of the turn. A finished turn has shown all."""
    if message is None:
        findings.lost.append(f"turn {turn.id} had shown {text!r}")
    elif message.incomplete is None and turn.state != "finished":
        if not message.content.startswith(text):
            findings.lost.append(f"turn {turn.id} had shown {text!r}, and says {message.content!r}")
    elif message.content != text:
        findings.lost.append(f"{turn.state} turn {turn.id} had shown {text!r}, and says {message.content!r}")
