"""How service logs look to people."""

import pytest

from takaro_local.console import readable


def test_a_json_line_becomes_time_level_event_and_fields() -> None:
    line = (
        '{"service": "chat", "event": "started", "level": "info", "time": "2026-11-22T12:00:00.123456Z",'
        ' "port": 3101, "span_id": "01", "trace_id": "ab"}'
    )
    assert readable("chat", line).plain == "chat      12:00:00.123 info    started port=3101 trace_id=ab"


def test_an_exception_keeps_its_lines() -> None:
    line = '{"event": "failed", "level": "error", "exception": "Traceback\\n  boom"}'
    assert readable("chat", line).plain.endswith("failed\nTraceback\n  boom")


@pytest.mark.parametrize("line", ["plain", "{broken", "[bold]not markup[/bold]", '["a list"]', ""])
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert readable("knowledge", line).plain == f"knowledge {line}"
