"""The supervisor starts, watches and stops four processes; stand-ins take the services' part."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from local.layout import ANY_PORTS, NAMES, PREFIX, Name
from local.ports import split_address
from local.processes import ROOT
from local.supervisor import StartFailed, System
from servicekit.probe import grpc_is_serving, http_is_ready

PROGRAM = Path(__file__).with_name("local_program.py")
PROGRAMS: Mapping[Name, list[str]] = {name: [sys.executable, str(PROGRAM), name] for name in NAMES}

OWNER = f"""
import sys, signal
from pathlib import Path
from local.layout import ANY_PORTS, NAMES
from local.supervisor import System
programs = {{name: [sys.executable, {str(PROGRAM)!r}, name] for name in NAMES}}
system = System(Path(sys.argv[1]), listen=ANY_PORTS, programs=programs)
system.start()
print(*(system.pid(name) for name in NAMES), flush=True)
signal.pause()
"""


def make(
    data: Path,
    misbehaviour: Mapping[Name, str] | None = None,
    listen: Mapping[Name, str] = ANY_PORTS,
) -> System:
    """Returns a system of stand-ins on free ports, some of which may misbehave."""
    extra = {name: {"MISBEHAVIOUR": how} for name, how in (misbehaviour or {}).items()}
    return System(data, listen=listen, programs=PROGRAMS, extra=extra)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A running system of stand-ins."""
    with make(tmp_path) as running:
        yield running


def is_alive(pid: int) -> bool:
    """Tells whether a process runs; one that ended and was not yet collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def await_true(condition: Callable[[], bool], limit: float = 30.0) -> None:
    """Waits until the condition holds; fails after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_started_system_is_ready(system: System) -> None:
    """After the start every process answers at once, and each has written its log."""
    await_true(lambda: http_is_ready(system.target("gateway")))
    for name in NAMES[:3]:
        await_true(partial(grpc_is_serving, system.target(name)))
        assert f"{name} migrate" in system.layout.log(name).read_text()
    assert None is system.ended()


def test_a_stopped_system_leaves_no_process(tmp_path: Path) -> None:
    """Stopping waits for all ends, and can be done twice."""
    system = make(tmp_path)
    system.start()
    pids = [system.pid(name) for name in NAMES]

    system.stop()
    system.stop()

    assert [] == [pid for pid in pids if is_alive(pid)]


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    """After the grace nothing is left, whatever a process does."""
    system = make(tmp_path, {"job_service": "stubborn"})
    system.start()
    pids = [system.pid(name) for name in NAMES]

    system.stop(grace=0.3)

    assert [] == [pid for pid in pids if is_alive(pid)]


def test_a_killed_process_is_noticed_and_starts_again(system: System) -> None:
    """The new process has the same address; the others never noticed."""
    before = {name: system.pid(name) for name in NAMES}

    system.kill("job_service")
    assert "job_service" == system.ended()
    assert "code -9" in system.obituary("job_service")
    system.restart("job_service")

    assert None is system.ended()
    await_true(lambda: grpc_is_serving(system.target("job_service")))
    changed = [name for name in NAMES if system.pid(name) != before[name]]
    assert ["job_service"] == changed


def test_a_process_that_ends_early_is_shown_with_its_last_words(tmp_path: Path) -> None:
    """The message names process and exit code and quotes the log; nothing stays running."""
    system = make(tmp_path, {"scheduler_service": "exit"})

    with pytest.raises(StartFailed) as caught:
        system.start()

    assert "scheduler_service ended with code 3" in str(caught.value)
    assert "no such database" in str(caught.value)
    # What had started was asked to end, and did.
    assert "auth_service ends _Server" in system.layout.log("auth_service").read_text()


def test_a_failed_migration_stops_the_start(tmp_path: Path) -> None:
    """No process serves on a database that is not at its version."""
    system = make(tmp_path, {"job_service": "migrate"})

    with pytest.raises(StartFailed, match="job_service's database could not be migrated"):
        system.start()

    assert 1 == system.layout.log("auth_service").read_text().count("pid")


@pytest.mark.parametrize("name", NAMES)
def test_a_taken_port_is_named_with_its_setting(tmp_path: Path, name: Name) -> None:
    """Who reads the message knows what to set, and to what."""
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        taken = f"127.0.0.1:{squatter.getsockname()[1]}"

        with pytest.raises(StartFailed) as caught:
            make(tmp_path, listen={**ANY_PORTS, name: taken}).start()

    assert f"{name} cannot listen on {taken}: the port is taken" in str(caught.value)
    assert f"{PREFIX[name]}_LISTEN=127.0.0.1:" in str(caught.value)


def test_two_systems_do_not_share_a_folder(system: System) -> None:
    """The second is refused and the first goes on, though their ports differ."""
    with pytest.raises(StartFailed, match="another system is running on"):
        make(system.layout.data).start()

    await_true(lambda: http_is_ready(system.target("gateway")))


def test_the_folder_is_free_again_after_a_stop(tmp_path: Path) -> None:
    """A later system finds the secrets of the first, and its logs beside the new ones."""
    with make(tmp_path) as first:
        assert first.secrets.is_new
        password = first.admin_password
        pid = first.pid("gateway")

    with make(tmp_path) as second:
        assert not second.secrets.is_new
        assert password == second.admin_password
        assert f"pid {pid}\n" in (second.layout.logs / "gateway.previous.log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_no_process_outlives_a_killed_owner(tmp_path: Path) -> None:
    """Even SIGKILL of the owner ends all four."""
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    owner = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pids = [int(pid) for pid in owner.stdout.readline().split()]
    assert [True] * 4 == [is_alive(pid) for pid in pids]

    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()

    await_true(lambda: not any(is_alive(pid) for pid in pids))


def test_a_process_keeps_away_from_the_terminals_interrupt(system: System) -> None:
    """Ctrl-C reaches only the owner, who then stops the others in order."""
    assert os.getsid(0) != os.getsid(system.pid("gateway"))


def test_free_ports_stay_out_of_the_range_for_outgoing_connections(system: System) -> None:
    """A client that reconnects to a killed server cannot be given that server's own port."""
    ports = [split_address(system.target(name))[1] for name in NAMES]

    assert 4 == len(set(ports))
    assert all(20_000 <= port < 32_000 for port in ports)
