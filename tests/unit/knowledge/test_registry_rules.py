"""Schedules, pushes and progress: the rules, without any server."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from knowledge.bases.cron import check_schedule
from knowledge.content.files.records import FileState
from knowledge.jobs.wire import parse_job
from knowledge.schedules import rules as schedules
from knowledge.sync.progress import Progress
from knowledge.sync.records import Plan
from knowledge.sync.report import MOST_FILES, report_of
from knowledge.webhooks.records import Push
from knowledge.webhooks.rules import MOST_COMMITS, concerns, is_signed
from knowledge.webhooks.wire import PushPayload

SOURCE = "https://github.com/Acme/handbook/tree/main/docs"
BASE = parse_job("sync", {"knowledgeBaseId": "kb", "version": "1", "source": SOURCE}).base()


@pytest.mark.parametrize("pattern", ["0 * * * *", "*/5 8-18 * * MON-FRI", " 30  4 1,15 * 7 ", "0 0 29 2 *"])
def test_five_cron_fields_are_a_schedule(pattern: str) -> None:
    assert check_schedule(pattern) == " ".join(pattern.split())


@pytest.mark.parametrize(
    "pattern",
    ["", "hourly", "@hourly", "* * * *", "0 0 * * * *", "60 * * * *", "0 0 30 2 *", "a b c d e", "0 * * * $"],
)
def test_what_never_runs_is_no_schedule(pattern: str) -> None:
    with pytest.raises(ValueError, match="cron"):
        check_schedule(pattern)


def test_scheduled_syncs_are_spread_over_the_jitter_each_at_its_own_moment() -> None:
    hour = 1_800_000_000_000
    options = {"repeat": {"pattern": "0 * * * *"}}

    def due(name: str, window: float = 30, now: int = hour) -> int | None:
        return schedules.due_at(f"repeat:kb-sync-{name}:{hour}", options, name, window, now)

    dues = {name: due(name) for name in "abcdefgh"}
    assert all(hour <= (moment or 0) < hour + 30_000 for moment in dues.values())
    assert len(set(dues.values())) == len(dues)
    assert due("a") == dues["a"], "always the same"
    assert due("a", now=(dues["a"] or 0) - 1) == dues["a"]
    assert due("a", now=dues["a"] or 0) is None, "its moment has come"
    assert due("a", now=hour - 1) is None, "promoted, before its minute"
    assert due("a", window=0) is None


# Names that people and programs give their bases.
_NAMES: dict[str, Callable[[int], str]] = {
    "a plain number": str,
    "a number in its place": lambda number: f"kb-{number}",
    "a padded number in the middle": lambda number: f"tenant-{number:05}-handbook",
    "a random id": lambda number: str(UUID(int=random.Random(number).getrandbits(128), version=4)),
    "words": lambda number: "-".join(random.Random(number).choices(["api", "ops", "docs", "eu", "v2"], k=9)),
}


@pytest.mark.parametrize("kind", _NAMES)
@pytest.mark.parametrize("window", [0.5, 10, 30, 55])
def test_many_bases_of_one_schedule_are_spread_evenly_over_the_window(kind: str, window: float) -> None:
    """Pearson's test: for randomly drawn moments, the sum over the ten tenths would be above 33.7 once in
    10,000 times (chi-squared, nine degrees of freedom). These aren't random, so the result never changes."""
    names = {_NAMES[kind](number) for number in range(2000)}
    offsets = {name: schedules.jitter_ms(name, window) for name in names}
    assert all(0 <= offset < window * 1000 for offset in offsets.values())
    tenths = Counter(int(offset * 10 / (window * 1000)) for offset in offsets.values())
    fair = len(names) / 10
    assert sum((tenths[tenth] - fair) ** 2 / fair for tenth in range(10)) < 33.7, tenths


def test_a_base_s_moment_is_the_same_in_every_process_and_release() -> None:
    assert {name: schedules.jitter_ms(name, 30) for name in ("handbook", "kb-1")} == {
        "handbook": 7612,
        "kb-1": 17445,
    }


@pytest.mark.parametrize(
    ("job_id", "options"),
    [
        ("17", {}),
        ("sync-0193b5a2-6c1e-7d4f-8a3b-5c6d7e8f9a0b", {}),
        ("repeat:kb-sync-a:1800000000000", {"repeat": {"every": 300}}),
        ("repeat:x:1800000000000", {"repeat": {"pattern": "* * * * * *"}}),
    ],
    ids=["a producer's", "asked for here: over HTTP, by a push, a command", "not cron", "every second"],
)
def test_what_no_cron_schedule_made_begins_at_once(job_id: str, options: dict[str, Any]) -> None:
    for now in (1_800_000_000_000, 1_800_000_000_001, 1_800_000_029_000):
        assert schedules.due_at(job_id, options, "a", 30, now) is None


def test_a_scheduler_is_in_step_only_when_all_of_it_is() -> None:
    base = replace(BASE, refresh_schedule="0 * * * *")
    scheduler: dict[str, Any] = {
        "name": "sync",
        "pattern": "0 * * * *",
        "template": {"data": schedules.scheduled_data_of(base), "opts": schedules.JOB_OPTIONS},
    }
    assert schedules.is_in_step(base, scheduler)
    assert not schedules.is_in_step(base, None)
    for change in ({"pattern": "1 * * * *"}, {"name": "other"}, {"template": None}, {"tz": "Europe/Paris"}):
        assert not schedules.is_in_step(base, {**scheduler, **change}), change
    assert not schedules.is_in_step(replace(base, version="2"), scheduler)


def test_only_the_secret_s_signature_of_this_very_body_passes() -> None:
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    secret = "It's a Secret to Everybody"
    assert is_signed(b"Hello, World!", signature, secret)
    assert not is_signed(b"Hello, World", signature, secret)
    assert not is_signed(b"Hello, World!", signature, "another")
    for wrong in ("", "sha256=", signature.removeprefix("sha256="), "sha1=ä", signature.upper()):
        assert not is_signed(b"Hello, World!", wrong, secret)


@pytest.mark.parametrize(
    ("touched", "concerned"),
    [
        ("docs/a.md", True),
        ("docs/deep/b.md", True),
        ("docs", True),
        ("docs-old/a.md", False),
        ("readme.md", False),
        ("src/docs/a.md", False),
    ],
)
def test_a_push_concerns_bases_whose_path_it_touches_in_whole_segments(touched: str, concerned: bool) -> None:
    push = Push("acme/Handbook", "refs/heads/main", frozenset({touched}))
    assert concerns(push, SOURCE) is concerned
    assert concerns(push, "https://github.com/acme/handbook")
    assert concerns(replace(push, paths=None), SOURCE), "what isn't known may have been touched"
    assert not concerns(replace(push, ref="refs/heads/other", paths=None), SOURCE)
    assert not concerns(replace(push, repository="acme/other", paths=None), SOURCE)
    for other in ("file:///docs", "nonsense"):
        assert not concerns(replace(push, paths=None), other)


def test_a_branch_with_a_slash_and_a_tag_are_found() -> None:
    push = Push("acme/handbook", "refs/heads/release/2", None)
    assert concerns(push, "https://github.com/acme/handbook/tree/release%2F2/docs")
    assert concerns(replace(push, ref="refs/tags/v1"), "https://github.com/acme/handbook/tree/v1")


def test_a_push_to_github_enterprise_and_one_to_a_git_remote_on_github_are_told_apart_by_host() -> None:
    payload = {
        "ref": "refs/heads/trunk",
        "repository": {
            "full_name": "acme/handbook",
            "html_url": "https://git.acme.example/acme/handbook",
            "default_branch": "trunk",
        },
    }
    push = PushPayload.model_validate(payload).push()
    assert concerns(push, "https://git.acme.example/acme/handbook/tree/trunk/docs")
    assert concerns(push, "git+https://git.acme.example/Acme/handbook.git")
    assert concerns(push, "git+https://git.acme.example/acme/handbook#trunk:docs")
    assert not concerns(push, "git+https://git.acme.example/acme/handbook#next")
    assert not concerns(push, "https://github.com/acme/handbook/tree/trunk/docs")
    assert not concerns(push, "git+https://github.com/acme/handbook")


@pytest.mark.parametrize(
    ("payload", "paths"),
    [
        ({"commits": [{"added": ["a"], "removed": ["b"]}, {"modified": ["c"]}]}, {"a", "b", "c"}),
        ({"commits": [{"added": ["a"]}, {}]}, None),
        ({"commits": []}, None),
        ({"commits": [{"added": ["a"]}], "forced": True}, None),
        ({"commits": [{"added": ["a"]}], "created": True}, None),
        ({"commits": [{"added": ["a"]}] * MOST_COMMITS}, None),
    ],
)
def test_the_paths_of_a_push_are_known_only_when_it_names_them_all(payload: Any, paths: Any) -> None:
    read = PushPayload.model_validate(
        {"ref": "refs/heads/main", "repository": {"full_name": "a/b"}, **payload}
    )
    assert read.push().paths == paths


def test_the_report_names_files_in_need_of_a_look_first() -> None:
    one = (UUID(int=1),)
    known = {
        "same.md": FileState("same.md", "1", "indexed", None, one),
        "changed.md": FileState("changed.md", "1", "indexed", None, one),
        "gone.md": FileState("gone.md", "1", "indexed", None, one),
    }
    plan = Plan(
        {
            "same.md": known["same.md"],
            "changed.md": FileState("changed.md", "2", "indexed", None, (UUID(int=2),)),
            "new.md": FileState("new.md", "1", "empty", None, ()),
            "photo.md": FileState("photo.md", "1", "unsupported", "binary", ()),
            "away.md": FileState("away.md", "", "failed", "HTTP 500", ()),
        }
    )
    report = report_of(plan, known)
    assert [(file["path"], file["change"], file["outcome"]) for file in report["files"]] == [
        ("away.md", None, "failed"),
        ("photo.md", "added", "unsupported"),
        ("changed.md", "modified", "indexed"),
        ("gone.md", "removed", "removed"),
        ("new.md", "added", "empty"),
    ]
    assert report["omitted"] == 0
    many = Plan({str(n): FileState(str(n), "1", "indexed", None, one) for n in range(MOST_FILES + 5)})
    assert (len(report_of(many, {})["files"]), report_of(many, {})["omitted"]) == (MOST_FILES, 5)


def test_progress_tells_rate_and_time_left() -> None:
    progress = Progress(files_to_read=10)
    assert progress.seconds_left() is None
    progress.phase_began -= 10
    progress.add_read(8, 4)
    progress.add_read(2, 0)
    progress.add_embedded(["x" * 8, "y" * 9])
    assert (progress.chunks_embedded, progress.tokens, progress.rate()) == (2, 2 + 3, 0.2)
    assert progress.to_json()["filesRead"] == 4, "half of the chunks of eight files"
    assert progress.seconds_left() == pytest.approx(15, abs=0.5)
    progress.add_embedded(["z", "z"])
    assert progress.to_json()["filesRead"] == 10
    assert progress.seconds_left() == 0
    progress.begin_writing(200)
    assert (progress.done, progress.seconds_left()) == (False, None), "the longest part is yet to come"
    progress.phase_began -= 10
    progress.see_under_way(50)
    assert progress.rate() == pytest.approx(5, abs=0.1)
    assert progress.seconds_left() == pytest.approx(30, abs=0.5)
    progress.phase_began, progress.rows_seen = progress.phase_began - 2, progress.rows_seen - 2
    assert progress.seconds_left() == pytest.approx(28, abs=0.5), (
        "it counts down between two thousands of rows"
    )
    progress.phase_began, progress.rows_seen = progress.phase_began - 38, progress.rows_seen - 38
    assert progress.seconds_left() == pytest.approx(150, abs=0.5), "and takes longer than it seemed"
    progress.add_written(200)
    assert (progress.done, progress.seconds_left()) == (True, 0)
    assert progress.to_json()["phase"] == "writing"
