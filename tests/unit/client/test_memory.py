"""What a follower remembers tells repeats, gaps and late facts apart, in whatever order facts come."""

from hypothesis import given
from hypothesis import strategies as st

from takaro_agent_client.events.envelope import Fact
from takaro_agent_client.events.memory import MAX_MISSING, InProcess, Remembered, handled, recognise


def fact(sequence: int | None, subject: str = "c", id: str = "") -> Fact:
    return Fact("s", "1-0", id or f"{subject}-{sequence}", "t", "", subject, sequence, "", {})


@given(st.lists(st.integers(1, 12), max_size=40))
def test_each_number_is_handled_once(sequences: list[int]) -> None:
    memory = InProcess()
    seen: list[int] = []
    for place, sequence in enumerate(sequences):
        if recognise(memory, fact(sequence, id=str(place))) is not None:
            seen.append(sequence)
            handled(memory, fact(sequence, id=str(place)))
    assert sorted(seen) == sorted(set(sequences))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_it_reads_back_as_it_was_kept(sequences: list[int]) -> None:
    remembered = Remembered(sequences[0], sequences[0])
    for sequence in sequences:
        remembered.add(sequence)
    assert Remembered.decode(remembered.encode()) == remembered
    known = {number for number in range(1, 51) if remembered.knows(number)}
    assert known == set(sequences)


def test_a_great_gap_is_remembered_in_part() -> None:
    remembered = Remembered(1, 1)
    remembered.add(10**9)
    assert len(remembered.missing) <= MAX_MISSING
    assert remembered.knows(10**9)


def test_it_forgets_the_subjects_that_were_seen_longest_ago() -> None:
    memory = InProcess(max_subjects=2)
    for subject in ("a", "b", "c"):
        handled(memory, fact(1, subject))
    assert recognise(memory, fact(1, "a", "x")) is not None
    assert recognise(memory, fact(1, "c", "x")) is None


def test_a_subject_of_another_kind_has_its_own_numbers() -> None:
    memory = InProcess()
    handled(memory, fact(3, "a"))
    new = recognise(memory, fact(1, "b"))
    assert new is not None
    assert new.missed == 0


def test_a_gap_of_an_erased_subject_is_no_loss() -> None:
    memory = InProcess()
    for subject in ("a", "b"):
        handled(memory, fact(1, subject))
    data = {"subjects": ["a"], "userId": "ann"}
    handled(memory, Fact("s", "2-0", "e", "chat.user.erased.v1", "", "erasure", 1, "", data))
    missed = {subject: recognise(memory, fact(5, subject)) for subject in ("a", "b")}
    assert {subject: each.missed for subject, each in missed.items() if each} == {"a": 0, "b": 3}
