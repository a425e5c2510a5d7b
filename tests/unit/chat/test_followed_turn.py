"""What a process keeps of a followed turn, as its followers read it."""

from uuid import uuid4

from chat.turn_streams.followed import PAGE_BYTES, FollowedTurn
from chat.turn_streams.records import News, Progress


def test_who_is_far_behind_gets_a_page_at_a_time() -> None:
    """Each of thousands who don't read holds one."""
    turn, content = FollowedTurn(uuid4(), uuid4()), "x" * 60_000
    turn.take(News(turn.id, Progress("running", None, None, None, 0), ()))
    for number in range(1, 21):
        assert turn.show(number, number, f'[{{"type":"text","content":"{content}"}}]')
    read: list[int] = []
    while pieces := turn.after(len(read)):
        assert sum(piece.size for piece in pieces[:-1]) < PAGE_BYTES
        read += [piece.number for piece in pieces]
    assert read == list(range(1, 21))
