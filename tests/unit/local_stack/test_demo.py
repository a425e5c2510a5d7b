"""What the demo asks when it is pointed at documents that it doesn't know."""

from pathlib import Path

from takaro_local.demo import questions_about


def test_questions_are_telling_headings_from_all_over_the_documents(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n## How to install it\ntext\n## Usage\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.md").write_text("# B\n## What happens on failure\n### Where the data lies\n")
    assert questions_about(tmp_path) == [
        "How to install it",
        "What happens on failure",
        "Where the data lies",
    ]


def test_documents_without_headings_still_get_questions(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("just text\n")
    assert questions_about(tmp_path) == [tmp_path.name] * 3
