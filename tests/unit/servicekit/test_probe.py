"""The probe as a program: its exit code is what a container's health check sees."""

import pytest

from local.ports import free_port
from servicekit import probe


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_nobody_there_is_not_ready(kind: str) -> None:
    """A process that has not started yet, or is gone, is unhealthy and no error."""
    assert 1 == probe.main([kind, f"127.0.0.1:{free_port()}"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "usage: python -m servicekit.probe"),
        (["smtp", "127.0.0.1:25"], "usage: python -m servicekit.probe"),
        (["grpc", "50051"], "expected host:port"),
        (["http", "localhost"], "expected host:port"),
    ],
)
def test_a_wrong_question_is_told(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake in the health check itself does not look like an unhealthy process."""
    with pytest.raises(SystemExit) as exit_:
        probe.main(arguments)

    assert 2 == exit_.value.code
    assert complaint in capsys.readouterr().err
