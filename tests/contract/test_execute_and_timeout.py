"""Every write of every context is tried under a timeout, or excused by name."""

from gateway.contracts import load_contracts
from tests.contract.test_architecture import unimplemented
from tests.service.auth_service import test_execute_and_timeout as auth
from tests.service.job_service import test_execute_and_timeout as job
from tests.service.scheduler_service import test_execute_and_timeout as scheduler
from tests.timeouts import writes

TRIED = auth.REQUESTS.keys() | job.REQUESTS.keys() | scheduler.REQUESTS.keys()
EXCUSED = auth.EXCUSED.keys() | scheduler.EXCUSED.keys() | {"Relay"}
"""A relay changes nothing by itself; what it carries is tried."""


def test_every_write_is_tried_or_excused() -> None:
    """Also those of a service that is new; only what answers UNIMPLEMENTED may wait."""
    waiting = {name.partition(".")[2] for name in unimplemented()}
    assert set(writes(load_contracts().services)) - waiting == TRIED | EXCUSED
