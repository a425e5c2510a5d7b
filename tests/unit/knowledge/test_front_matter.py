"""What stands at the head of a Markdown file: words as written, and never prose."""

import pytest

from knowledge.documents import read_document
from knowledge.documents.front_matter import split_front_matter


def test_it_gives_title_and_description_and_is_no_text() -> None:
    content = b"---\ntitle: Levers\ndescription: How to pull them\ntags: [a, b]\n---\n\nPull slowly.\n"
    assert read_document("a.md", content) == "# Levers\n\nHow to pull them\n\nPull slowly."
    toml = b'+++\ntitle = "Levers"\ndate = 2026-01-02\n+++\nPull slowly.'
    assert read_document("a.md", toml) == "# Levers\n\nPull slowly."
    assert read_document("a.md", b"---\n---\nPull slowly.") == "Pull slowly."
    assert read_document("a.mdx", b"---\r\ntitle: Levers\r\n...\r\nPull.") == "# Levers\n\nPull."


@pytest.mark.parametrize(
    "written",
    [
        *(
            "3.10",
            "1.0",
            "1e3",
            "010",
            "0x1F",
            "0o17",
            "1_000",
            "1:30",
            "190:20:30",
            "+12",
            ".5",
            "-0",
            "12.",
        ),
        *("On", "off", "YES", "n", "True", "false", "2026-01-02", "2026-01-02 10:20:30", "2026-02-31"),
        *(".inf", ".NaN", "=", "<<", "1,000", "C#", "a:b"),
    ],
)
def test_words_of_yaml_are_what_is_written(written: str) -> None:
    text = f"---\ntitle: {written}\ndescription: '{written} '\n---\nPull."
    assert split_front_matter(text) == ({"title": written, "description": f"{written} "}, "Pull.")
    assert read_document("a.md", text.encode()) == f"# {written}\n\n{written}\n\nPull."


@pytest.mark.parametrize("written", ["3.10", "0x1F", "1_000", "true", "2026-01-02T10:20:30Z", "1e3", "+7"])
def test_words_of_toml_are_what_is_written(written: str) -> None:
    text = f"+++\ntitle = {written} # a comment\n[author]\nname = 'x'\n+++\nPull."
    assert split_front_matter(text) == ({"title": written}, "Pull.")


@pytest.mark.parametrize("nothing", ["", "~", "null", "[a, b]", "{a: b}", "\n  - a\n  - b", "\n  a: b"])
def test_what_is_no_text_is_no_title(nothing: str) -> None:
    assert read_document("a.md", f"---\ntitle: {nothing}\n---\nPull.".encode()) == "Pull."
    broken = f"---\ndescription: Pull: slowly\ntitle: {nothing}\n---\nPull."
    if nothing not in ("~", "null", "[a, b]", "{a: b}"):  # in a line by itself these are words
        assert read_document("a.md", broken.encode()) == "Pull: slowly\n\nPull."


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("title: Levers: how to pull them", "Levers: how to pull them"),
        ("title: Levers\ndescription: [never closed", "Levers"),
        ("tags: x\n\ttabs: no\ntitle: Levers", "Levers"),
        ("title: @levers/pull # a comment", "@levers/pull"),
        ('title: "Levers" and doors', '"Levers" and doors'),
        ("title: 'It's a lever'", "It's a lever"),
        ("title: `levers`", "`levers`"),
        ("title: Levers\ndescription: {{ site.description }}: {{ page.x }}", "Levers"),
        ("title: Levers\ntitle: Doors: of two the first", "Levers"),
        ("# a comment\ntitle: >-\n  Levers\n  and doors\nother: a: b", "Levers and doors"),
        ("title: Levers\ntags:\n- a\n - b\nother: *nowhere", "Levers"),
        ("'title': Levers: many", "Levers: many"),
    ],
)
def test_a_mistake_in_it_makes_it_no_prose(source: str, title: str) -> None:
    values, rest = split_front_matter(f"---\n{source}\n---\nPull.")
    assert (values["title"], rest) == (title, "Pull.")


def test_a_mistake_in_toml_makes_it_no_prose() -> None:
    assert split_front_matter("+++\ntitle = 010\nx = [\n+++\nPull.") == ({"title": "010", "x": "["}, "Pull.")


@pytest.mark.parametrize(
    "text",
    [
        "---\nA rule, a paragraph\nand another rule.\n---\nMore.",
        "---\nA rule: with: colons\nand prose that goes on\nfor several lines.\n---\nMore.",
        "---\n- a list\n- [ and more\n---\nMore.",
        "---\ntitle: no end",
        "A paragraph.\n\n---\ntitle: x\n---\n",
        "+++\nnot toml\n+++\nMore.",
        "--- \n\n'quoted' words: and\n@more\nprose\n---\n",
    ],
)
def test_what_is_no_front_matter_stays_text(text: str) -> None:
    assert read_document("a.md", text.encode()) == text
