"""How much is read at once: few entries if they are large, many if they are small."""

from backbone.events import RawEntry
from backbone.validation import Item
from backbone.window import FIRST, Window, split


def entries(count: int, size: int) -> list[RawEntry]:
    return [(f"{n}-0", {b"data": bytes(size)}) for n in range(count)]


def test_the_window_opens_while_reads_come_back_full_of_small_entries() -> None:
    window = Window(250, 1_000_000)
    seen = []
    for _ in range(7):
        seen.append(window.count)
        window.saw(entries(window.count, 600))
    assert seen == [8, 16, 32, 64, 128, 250, 250]


def test_large_entries_close_it_to_what_fits_and_never_altogether() -> None:
    window = Window(250, 1_000_000)
    window.saw(entries(8, 100_000))
    assert window.count == 10
    window.saw(entries(10, 2_000_000))
    assert window.count == 1
    window.saw(entries(1, 10))
    assert window.count == FIRST


def test_a_read_that_came_back_half_empty_narrows_it_again() -> None:
    window = Window(250, 1_000_000)
    for _ in range(6):
        window.saw(entries(window.count, 600))
    window.saw(entries(20, 600))
    assert window.count == 40


def test_a_batch_is_split_by_its_bytes_in_order() -> None:
    items = [Item(entry) for entry in entries(5, 400) + entries(1, 5_000) + entries(2, 400)]
    parts = [[len(item.entry[1][b"data"]) for item in part] for part in split(items, 1_000)]
    assert parts == [[400, 400], [400, 400], [400], [5_000], [400, 400]]
    assert [list(part) for part in split(items, 10_000)] == [items]
    assert list(split([], 10)) == []
