"""``takaro dead``: what it lists is what it replays and drops, and nothing else."""

from typing import Any

import pytest
from redis.asyncio import Redis

from tests.integration.cli.terminal import Terminal
from tests.support.probe import Probe
from tests.support.redis_world import RedisWorld


async def _bury(redis: Redis, stream: str, entry_id: str, **fields: str) -> None:
    letter: dict[Any, Any] = {
        "id": "e",
        "source": "test",
        "type": "chat.message.append.v1",
        "data": '{"n": 1}',
        "dead-stream": stream,
        "dead-id": "5-0",
        "dead-group": "chat",
        "dead-reason": "invalid: n: no such field",
        "dead-kind": "invalid",
        "dead-failures": "0",
        "dead-time": "2026-11-22T12:00:00Z",
    } | {name.replace("dead_", "dead-"): value for name, value in fields.items()}
    await redis.xadd(f"{stream}.dead", letter, id=entry_id)


@pytest.fixture
async def graveyard(redis: Redis) -> Redis:
    await _bury(redis, "chat.commands", "1700000000000-0", id="a", subject="s1")
    await _bury(
        redis, "chat.commands", "1700000001000-0", id="b", dead_kind="failed", dead_reason="ValueError: Boom"
    )
    await _bury(redis, "cockpit.commands", "1700000002000-0", id="c", type="cockpit.player.select.v1")
    return redis


async def test_filters_choose_and_all_must_fit(graveyard: Redis, takaro: Terminal) -> None:
    for arguments, expected in (
        ([], ["a", "b", "c"]),
        (["--stream", "chat.commands"], ["a", "b"]),
        (["--stream", "chat.commands.dead", "--kind", "failed"], ["b"]),
        (["--type", "cockpit.*"], ["c"]),
        (["--reason", "boom"], ["b"]),
        (["--subject", "s1"], ["a"]),
        (["--since", "2023-11-14T22:13:21Z"], ["b", "c"]),
        (["--limit", "2"], ["a", "b"]),
        (["a", "1700000002000-0"], ["a", "c"]),
    ):
        result = await takaro("dead", "list", "--json", *arguments)
        assert [line["id"] for line in result.lines] == expected, arguments


@pytest.mark.parametrize("action", ["list", "replay", "drop"])
@pytest.mark.parametrize("filters", [["--since", "10m"], ["--kind", "failed", "--type", "cockpit.*"]])
async def test_nothing_found_is_a_failure_for_scripts(
    graveyard: Redis, takaro: Terminal, action: str, filters: list[str]
) -> None:
    sure = ["--yes"] if action == "drop" else []
    found = await takaro("dead", action, *filters, *sure, expect=1)
    assert "no dead letter matches" in found.err
    for line in (await takaro("dead", action, *filters, *sure, "--json", expect=1)).lines:
        assert line["letters"] == []


async def test_many_letters_are_counted_by_their_reasons(redis: Redis, takaro: Terminal) -> None:
    for number in range(130):
        why = f"invalid: conversation 4f8e0c1a-7a52-4f0f-9d2b-{number:012x} not found"
        await _bury(redis, "chat.commands", f"17000000{number:05}-0", id=f"a{number}", dead_reason=why)
    await _bury(redis, "chat.commands", "1800000000000-0", id="b", dead_kind="failed", dead_reason="Boom")
    listed = await takaro("dead", "list")
    assert "only the oldest 100 of 131" in listed.err
    for part in ("131 dead letters", "invalid: conversation … not found", "130", "Boom"):
        assert part in listed.out
    assert len((await takaro("dead", "list", "--json")).lines) == 100
    groups = (await takaro("dead", "list", "--by-reason", "--json")).lines
    assert [(group["count"], group["kind"]) for group in groups] == [(130, "invalid"), (1, "failed")]
    assert groups[0]["oldest"] < groups[0]["newest"]
    would = await takaro("dead", "drop", "--all", "--dry-run", "--json")
    assert would.json["count"] == 131


async def test_json_cannot_control_a_terminal(redis: Redis, takaro: Terminal) -> None:
    await _bury(redis, "chat.commands", "1700000000000-0", dead_reason="\x9b2J\x1b[2J\x7f\u202e")
    result = await takaro("dead", "list", "--json")
    assert result.lines[0]["reason"] == "\x9b2J\x1b[2J\x7f\u202e"
    assert "\\u009b2J" in result.out
    assert not any(sign in result.out for sign in "\x9b\x1b\x7f\u202e")


async def test_what_people_see_names_the_letter_and_why(graveyard: Redis, takaro: Terminal) -> None:
    listed = (await takaro("dead", "list")).out
    for part in ("1700000001000-0", "chat.commands", "chat.message.append.v1", "failed", "ValueError: Boom"):
        assert part in listed
    shown = (await takaro("dead", "show", "b")).out
    for part in ("ValueError: Boom", "chat.commands 5-0", '"n": 1', "group chat"):
        assert part in shown
    [letter] = (await takaro("dead", "show", "b", "--json")).lines
    assert letter["fields"]["data"] == {"n": 1}
    assert letter["originalEntryId"] == "5-0"
    missing = await takaro("dead", "show", "nothing", expect=1)
    assert "takaro dead list" in missing.err


async def test_a_replay_brings_the_entry_back_as_it_was(graveyard: Redis, takaro: Terminal) -> None:
    done = (await takaro("dead", "replay", "--reason", "boom", "--json")).json
    assert (done["action"], done["dryRun"], done["count"]) == ("replay", False, 1)
    entries: Any = await graveyard.xrange("chat.commands")
    [(entry_id, fields)] = entries
    assert done["letters"][0]["newEntryId"] == entry_id
    assert fields.pop("replay")
    assert fields == {"id": "b", "source": "test", "type": "chat.message.append.v1", "data": '{"n": 1}'}
    left = await takaro("dead", "list", "--json")
    assert [line["id"] for line in left.lines] == ["a", "c"]


async def test_an_entry_without_an_identity_keeps_the_one_it_got(redis: Redis, takaro: Terminal) -> None:
    fields: dict[Any, Any] = {"type": "t.v1", "data": "{}", "dead-stream": "x.commands", "dead-id": "5-1"}
    await redis.xadd("x.commands.dead", fields)
    await takaro("dead", "replay", "--all")
    entries: Any = await redis.xrange("x.commands")
    [(_, replayed)] = entries
    assert replayed["id"] == "5-1"
    assert replayed["source"] == "/streams/x.commands"


@pytest.mark.parametrize("action", ["replay", "drop"])
async def test_nothing_happens_without_saying_which_or_in_a_dry_run(
    graveyard: Redis, takaro: Terminal, action: str
) -> None:
    refused = await takaro("dead", action, expect=2)
    assert "--all" in refused.err
    await takaro("dead", action, "--limit", "1", expect=2)
    would = await takaro("dead", action, "--all", "--dry-run")
    assert f"would {action} 3 dead letters" in would.err
    assert "1700000001000-0" in would.out
    wrong = await takaro("dead", action, "--since", "yesterday", expect=2)
    assert "10m" in wrong.err
    assert await graveyard.xlen("chat.commands.dead") == 2
    assert await graveyard.xlen("chat.commands") == 0


async def test_drop_deletes_what_fits_and_asks_for_a_word(graveyard: Redis, takaro: Terminal) -> None:
    refused = await takaro("dead", "drop", "--stream", "chat.commands", expect=2)
    assert "--yes" in refused.err
    assert await graveyard.xlen("chat.commands.dead") == 2
    done = await takaro("dead", "drop", "--stream", "chat.commands", "--kind", "failed", "--yes")
    assert "dropped 1 dead letter: chat.commands 1" in done.err
    left = await takaro("dead", "list", "--json")
    assert [line["id"] for line in left.lines] == ["a", "c"]


async def test_what_is_replayed_is_handled_and_what_dies_again_comes_round_once(
    world: RedisWorld, probe: Probe, takaro: Terminal
) -> None:
    for subject in ("mended", "broken"):
        probe.failing[subject] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1):
        for value in range(2):
            await world.note("mended", value)
        await world.note("broken", 7)
        await world.expect(dead=3, effects=0, timeout=30)
        del probe.failing["mended"]
        done = await takaro("dead", "replay", "--kind", "failed", "--reason", "BOOM", "--json")
        assert done.json["count"] == 3
        await world.expect(effects=2, dead=1, pending=0, timeout=30)
    assert await world.effects() == [0, 1]
    [dead] = await world.dead()
    assert dead["data"] == '{"subject":"broken","value":7}'
