"""What waits for a retry, by key: in order, and only ever removed by its own id."""

from backbone.parking import Parking


def test_a_key_is_settled_entry_by_entry_from_the_first() -> None:
    parking = Parking("test.commands")
    parking.park("a", ["1-0"], delay=0)
    parking.follow("a", "2-0")
    parking.settle("a", "1-0")
    assert list(parking.lot("a").entry_ids) == ["2-0"]
    parking.settle("a", "2-0")
    assert "a" not in parking
    assert parking.ids() == set()


def test_an_entry_that_was_tried_while_the_lots_were_filled_again_settles_no_other() -> None:
    parking = Parking("test.commands")
    parking.park("a", ["1-0"], delay=0)
    parking.clear()  # the group was lost, and is read again from its beginning
    parking.settle("a", "1-0")
    parking.park("a", ["3-0"], delay=0)
    parking.settle("a", "1-0")
    assert list(parking.lot("a").entry_ids) == ["3-0"]
