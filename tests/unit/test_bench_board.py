"""The harness of the board's figure, on the real service with a few boards. Nothing here asserts a speed."""

from reporter.bench.board import FIGURE, measure
from reporter.bench.ground import Ground
from reporter.bench.onlookers import Board
from reporter.bench.results import TARGETS
from reporter.bench.sizes import Sizes

SMALL = Sizes(boards=7, board_open=20, board_archive=80, board_changes_per_s=5, board_s=2)


async def test_every_change_is_timed_on_every_board_that_shows_it() -> None:
    with Ground() as ground, ground.bed() as bed:
        samples = await measure(bed, SMALL, lambda _: None)

    found = {each.metric: each for each in samples}
    assert {metric for figure, metric in TARGETS if figure == FIGURE} <= set(found)
    assert 0 < found["visible_p50"].value <= found["visible_p95"].value <= found["visible_max"].value
    assert found["archive_page_size"].reference == found["page_size"].value
    assert abs(found["archive_page_size"].value - found["page_size"].value) < 1  # an archive adds no row


def test_a_mark_is_seen_when_its_event_is_whole_and_only_in_what_a_board_shows() -> None:
    board = Board(b"")
    board.data_received(b'HTTP/1.1 200 OK\r\n\r\n40\r\nevent: board\ndata: "bench-000001')
    assert board.shown == {} and not board.ready.is_set()

    board.data_received(b' bench-000002"\n')
    board.data_received(b'\n\r\n20\r\nevent: alarm\ndata: "bench-000003"\n\nevent: hb\nid: 1\n\n')

    assert set(board.shown) == {"bench-000001", "bench-000002"}
    assert board.ready.is_set() and board.trouble is None


def test_a_stream_that_ends_is_a_trouble() -> None:
    sent_away, lost = Board(b""), Board(b"")
    sent_away.data_received(b"event: bye\ndata: {}\n\n")
    lost.connection_lost(None)

    assert sent_away.trouble == "the board was sent away"
    assert lost.trouble is not None and lost.ready.is_set()
