"""The stream of server-sent events, line by line."""

from bench.replay.sse import Event, Parser


def fed(parser: Parser, text: str) -> list[Event]:
    """Feeds lines and returns the events that they completed."""
    return [event for line in text.split("\n") if (event := parser.feed(line)) is not None]


def test_event() -> None:
    """An event has its kind data and id."""
    parser = Parser()
    assert [Event("STARTED", '{"a":1}')] == fed(parser, 'id: t1\nevent: STARTED\ndata: {"a":1}\n')
    assert "t1" == parser.last_id


def test_data_lines() -> None:
    """Several data lines are one text."""
    assert [Event("", "a\nb")] == fed(Parser(), "data: a\ndata: b\n")


def test_bookmark() -> None:
    """A bookmark moves the id and is no event."""
    parser = Parser()
    assert [] == fed(parser, ":\nid: t2\n")
    assert "t2" == parser.last_id


def test_event_without_id() -> None:
    """An event without an id leaves the last one."""
    parser = Parser()
    fed(parser, "id: t1\ndata: a\n\ndata: b\n")
    assert "t1" == parser.last_id


def test_cut() -> None:
    """What a cut left unfinished is forgotten.

    Its id too: the event behind it was not seen, so it must be asked for again.
    """
    parser = Parser()
    fed(parser, "id: t1\ndata: a\n")
    parser.feed("id: t2")
    parser.feed("data: half")
    parser.restart()
    assert [Event("", "b")] == fed(parser, "data: b\n")
    assert "t1" == parser.last_id
