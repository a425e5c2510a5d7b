"""What stands above a chunk, and what isn't parted."""

import pytest

from knowledge.content.chunks.chunker import Cutter, Sizes
from knowledge.content.chunks.outline import outline_of

MARKDOWN = """# Levers

Pull slowly.

## Red ones

### On the left ###

```python
# no heading
```

Blue ones
---------

| a | b |
| - | - |
| 1 | 2 |

# Knobs
"""


def test_headings_of_markdown_are_under_those_before_them_and_none_is_in_code() -> None:
    outline = outline_of(MARKDOWN, markdown=True)
    assert outline.title == "Levers"
    assert outline.paths == [
        ("Levers",),
        ("Levers", "Red ones"),
        ("Levers", "Red ones", "On the left"),
        ("Levers", "Blue ones"),
        ("Knobs",),
    ]
    assert outline.path_at(MARKDOWN.index("Pull")) == ("Levers",)
    assert outline.path_at(MARKDOWN.index("| 1")) == ("Levers", "Blue ones")
    assert [MARKDOWN[start:end] for start, end in outline.blocks] == [
        "```python\n# no heading\n```\n",
        "| a | b |\n| - | - |\n| 1 | 2 |\n",
    ]


@pytest.mark.parametrize(
    "fence",
    ["````\n```\n# no heading\n```\n````\n", "~~~\n```\n# no heading\n~~~\n", "- ```\n  # no\n  ```\n"],
)
def test_a_fence_ends_with_its_own_sign(fence: str) -> None:
    text = f"{fence}# Yes\n"
    outline = outline_of(text, markdown=True)
    assert outline.paths == [("Yes",)]
    assert [text[start:end] for start, end in outline.blocks] == [fence]


def test_underlined_headings_of_plain_text_have_the_levels_of_their_signs() -> None:
    text = (
        "=====\nGuide\n=====\n\nInstall\n-------\n\nOn Linux\n~~~~~~~~\n\nRun::\n\n    beet # no\n    ---\n\n"
        "Use\n---\nx\n"
    )
    outline = outline_of(text, markdown=False)
    assert outline.paths == [
        ("Guide",),
        ("Guide", "Install"),
        ("Guide", "Install", "On Linux"),
        ("Guide", "Use"),
    ]
    assert outline.title == "Guide"
    assert [text[start:end] for start, end in outline.blocks] == ["Run::\n\n    beet # no\n    ---\n"]


def test_source_code_has_no_headings() -> None:
    code = "# Copyright\n#\n#include <x>\n\nkey: value\n---\nother: 1\n\ndef f():\n    return 1\n"
    assert outline_of(code, markdown=False).paths == []


def test_a_heading_is_kept_up_to_a_length() -> None:
    outline = outline_of(f"# {'long ' * 100}\n", markdown=True)
    assert len(outline.title) <= 120


@pytest.mark.parametrize("before", range(100, 1000, 45))
def test_code_and_tables_that_fit_are_in_one_chunk(before: int) -> None:
    code = "```\n" + "call(1)\n" * 60 + "```\n"
    table = "| a | b |\n" * 50
    text = f"# T\n\n{'word ' * (before // 5)}\n\n{code}\nthen\n\n{table}\n{'word ' * 300}"
    chunks = cut(text)
    assert any(code in chunk for chunk in chunks)
    assert any(table in chunk for chunk in chunks)


def test_a_chunk_ends_before_a_heading_and_the_next_begins_with_it() -> None:
    text = f"# A\n\n{'word ' * 150}\n\n## B\n\n{'text ' * 150}"
    first, second = cut(text)[:2]
    assert first.endswith("\n\n")
    assert second.startswith("## B")


def cut(text: str, size: int = 1000, overlap: int = 200) -> list[str]:
    spans = Cutter(text, Sizes(size, overlap), outline_of(text, markdown=True)).cut()
    return [text[start:end] for start, end in spans]
