"""Questions that a folder of documents answers."""

from pathlib import Path

import pytest

from takaro_local.demo.documents import files_in, holds, questions_about


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "a.md").write_text("# Intro\n\n## How to feed birds\n\n```sh\n# no heading at all\n```\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.md").write_text(
        "# Bread with rye flour\n#\n\n## Ovens and stones\nHot,\n  very hot.\n"
    )
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "c.md").write_text("# Not this one either\n")
    (tmp_path / "code.py").write_text("# Nor this one\n")
    return tmp_path


def test_headings_of_several_words_are_asked_from_all_over_the_folder(docs: Path) -> None:
    assert questions_about(docs) == ["How to feed birds", "Bread with rye flour", "Ovens and stones"]


def test_documents_without_headings_are_asked_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "winter-gardening.txt").write_text("Roses.")
    assert questions_about(tmp_path) == ["winter gardening"] * 3
    assert questions_about(tmp_path / "winter-gardening.txt") == ["winter gardening"] * 3


def test_hidden_folders_and_other_files_are_left_out(docs: Path) -> None:
    assert [file.relative_to(docs).as_posix() for file in files_in(docs)] == ["a.md", "sub/b.md"]
    assert files_in(docs / "code.py") == []


def test_a_quotation_stands_in_its_file_white_space_aside(docs: Path) -> None:
    assert holds(docs / "sub" / "b.md", "Hot, very\nhot.")
    assert not holds(docs / "sub" / "b.md", "Cold")
    assert not holds(docs / "gone.md", "Hot")
