"""Traces, from their files to what the engine is asked."""

from pathlib import Path

import pytest

from scheduler_service.domain.resources import ResourceType
from scheduler_service.domain.scheduling.requests import SECOND, Request, Shape
from scheduler_service.simulate.errors import BadInput
from scheduler_service.simulate.trace import formats, muri, openb, own, philly, venus
from scheduler_service.simulate.trace.formats import Format
from scheduler_service.simulate.trace.trace import Durations, Trace, Traits

HEADERS = {
    Format.OWN: "submit,duration,gpus",
    Format.PHILLY: "timestamp,duration,num_gpus,gpu_time,cluster",
    Format.VENUS: "job_id,user,tenant,class,submit_time,num_chips,duration_s,walltime_limit_s",
    Format.MURI: "job_id,num_gpu,submit_time,iterations,model_name,iteration_time",
    Format.OPENB: "name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the trace is written."""
    return tmp_path / "trace.csv"


def write(path: Path, *lines: str) -> Path:
    """Writes a file of these lines."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def jobs(trace: Trace) -> list[tuple[int, int, Shape, Traits]]:
    """Submission, duration, shape and traits of every job."""
    return [
        (
            trace.submits[job],
            trace.durations[job],
            trace.shapes[trace.shape_of[job]],
            trace.traits[trace.traits_of[job]],
        )
        for job in range(len(trace))
    ]


def test_philly(path: Path) -> None:
    """Dates count from the first submission; more GPUs than a node has are spread over nodes."""
    write(
        path,
        HEADERS[Format.PHILLY],
        "2017-10-09 07:00:10,66.0,12,792.0,late",
        "2017-10-09 07:00:00,5.5,1,5.5,early",
    )
    expected = [
        (0, 5_500_000, Shape(devices=1), Traits(team="early")),
        (10 * SECOND, 66 * SECOND, Shape(devices=12, split=True), Traits(team="late")),
    ]

    assert expected == jobs(philly.read(path))


def test_jobs_of_one_instant_keep_their_order(path: Path) -> None:
    """Sorting by submission is stable: who stood first in the file goes first."""
    same = [f"2017-10-09 07:00:00,1,1,1,{name}" for name in ("c", "a", "b")]
    write(path, HEADERS[Format.PHILLY], "2017-10-09 08:00:00,1,1,1,z", *same)

    assert ["c", "a", "b", "z"] == [job[3].team for job in jobs(philly.read(path))]


def test_venus(path: Path) -> None:
    """Microseconds are cut to whole seconds, comments are passed over, a team can be picked."""
    write(
        path,
        "# a trace",
        "# licensed",
        HEADERS[Format.VENUS],
        "1,ann,vc1,finetune,5999999,16,24.0,30.0",
        "2,bob,vc2,debug,7000000,2,1,",
        "3,ann,vc1,finetune,8000001,8,2,2",
    )
    traits = Traits("vc1", "ann", "finetune")
    expected = [
        (0, 24 * SECOND, Shape(devices=16, split=True), traits),
        (3 * SECOND, 2 * SECOND, Shape(devices=8), traits),
    ]

    trace = venus.read(path, team="vc1")

    assert expected == jobs(trace)
    assert [30 * SECOND, 2 * SECOND] == list(trace.limits)
    assert jobs(trace) == jobs(venus.read(path).of_team("vc1"))


def test_muri(path: Path) -> None:
    """The service is iterations x milliseconds x 1.015, to the microsecond."""
    write(path, HEADERS[Format.MURI], "0,4,1000,1046811,bert,886", "1,8,3500,3,dqn,0.5")
    expected = [
        (0, 1_046_811 * 886 * 1_015, Shape(devices=4), Traits(name="bert")),
        (2_500_000, 3 * 508, Shape(devices=8), Traits(name="dqn")),
    ]

    assert expected == jobs(muri.read(path))


def test_openb(path: Path) -> None:
    """Pods ask for shares of one GPU or whole ones, of some models, or for cores only."""
    write(
        path,
        "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,creation_time,deletion_time,"
        "scheduled_time",
        "p0,6000,12288,1,460,,LS,0,100,10",
        "p1,12000,16384,2,1000,V100M32|P100,LS,5,50,",
        "p2,1000,2048,0,0,,BE,7,8,7",
    )
    expected = [
        (0, 90 * SECOND, Shape(devices=1, milli=460, cpu=6_000, memory=12_288), Traits(name="LS")),
        (
            5 * SECOND,
            45 * SECOND,
            Shape(devices=2, models=("P100", "V100M32"), cpu=12_000, memory=16_384),
            Traits(name="LS"),
        ),
        (
            7 * SECOND,
            SECOND,
            Shape(resource_type=ResourceType.CPU, devices=0, cpu=1_000, memory=2_048),
            Traits(name="BE"),
        ),
    ]

    assert expected == jobs(openb.read(path))
    assert [job[2] for job in expected] == openb.shapes(path)


def test_pods_without_times_can_only_be_packed(path: Path) -> None:
    """A list of pods that never come and go is refused as a trace, and still has shapes."""
    write(path, "name,cpu_milli,memory_mib,num_gpu,gpu_milli", "p0,6000,12288,1,460")

    assert 1 == len(openb.shapes(path))
    with pytest.raises(BadInput, match="lacks creation_time, deletion_time"):
        openb.read(path)


def test_own_format_with_its_needed_columns_only(path: Path) -> None:
    """Three columns make a trace."""
    write(path, HEADERS[Format.OWN], "100,60,4", "40,0.25,9")
    expected = [
        (0, 250_000, Shape(devices=9, split=True), Traits()),
        (60 * SECOND, 60 * SECOND, Shape(devices=4), Traits()),
    ]

    assert expected == jobs(own.read(path))


def test_own_format_with_everything(path: Path) -> None:
    """Every column of the documented format arrives where it belongs."""
    write(
        path,
        "submit,duration,gpus,nodes,gpu_milli,models,cpu,memory_gb,pool,team,user,name,priority,"
        "preemptible,estimate,limit",
        "2026-01-01 00:00:00,60,8,2,1000,A100|V100,4,2,train,red,ann,gpt,32,yes,90,120",
        "2026-01-01 00:00:01,60,1,,300,,,,,,,,,,,",
        "2026-01-01 00:00:02,60,0,,,,2,,,,,,,no,,",
    )
    gang = Shape(
        devices=4,
        nodes=2,
        models=("A100", "V100"),
        ranked=True,
        cpu=4_000,
        memory=2_048,
        pool="train",
    )
    expected = [
        (0, 60 * SECOND, gang, Traits("red", "ann", "gpt", 32, True)),
        (SECOND, 60 * SECOND, Shape(milli=300), Traits()),
        (
            2 * SECOND,
            60 * SECOND,
            Shape(resource_type=ResourceType.CPU, devices=0, cpu=2_000),
            Traits(),
        ),
    ]

    trace = own.read(path)

    assert expected == jobs(trace)
    assert [90 * SECOND, -1, -1] == list(trace.estimates)
    assert [120 * SECOND, -1, -1] == list(trace.limits)


def test_a_request_says_of_the_duration_what_is_known(path: Path) -> None:
    """The true duration, the trace's estimate, or nothing; the id is the job's place."""
    write(path, f"{HEADERS[Format.OWN]},user,estimate,limit", "7,60,4,ann,90,120")
    trace = own.read(path)
    known = Request("0", Shape(devices=4), 0, user="ann", estimate=60 * SECOND, limit=120 * SECOND)

    assert known == trace.requests(Durations.KNOWN)(0)
    assert known._replace(estimate=90 * SECOND) == trace.requests(Durations.GIVEN)(0)
    assert known._replace(estimate=None) == trace.requests(Durations.UNKNOWN)(0)


@pytest.mark.parametrize("format_", list(Format))
def test_a_format_is_recognised_by_its_header(path: Path, format_: Format) -> None:
    """Nobody has to say what a file is."""
    write(path, HEADERS[format_])

    assert format_ is formats.recognise(path)


def test_an_unknown_format_is_refused_with_those_that_are_known(path: Path) -> None:
    """The complaint says what was found and what would do."""
    write(path, "a,b", "1,2")

    with pytest.raises(BadInput, match=r"not a known format. Its header has a,b; .*philly: timest"):
        formats.read(path)


def test_a_trace_without_jobs_is_refused(path: Path) -> None:
    """Nothing can be said of it."""
    with pytest.raises(BadInput, match="there are no jobs in it"):
        formats.read(write(path, HEADERS[Format.OWN]))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("x,60,4,1,,", "line 4, column submit: expected a number, found 'x'"),
        ("1,-60,4,1,,", "line 4, column duration: expected a number that is not negative"),
        ("1,nan,4,1,,", "line 4, column duration: expected a number that is not negative"),
        ("1,,4,1,,", "line 4, column duration: expected a number, found nothing"),
        ("1,60,four,1,,", "line 4, column gpus: expected a whole number, found 'four'"),
        ("1,60,1.5,1,,", "line 4, column gpus: expected a whole number of 0 or more, found '1.5'"),
        ("1,60,inf,1,,", "line 4, column gpus: expected a whole number, found 'inf'"),
        ("1,60,4,3,,", "line 4, column nodes: expected a divisor of 4, the job's gpus, found '3'"),
        ("1,60,4,1,500,", "line 4, column gpu_milli: expected 1000, or less of a single GPU"),
        ("1,60,4,1,,maybe", "line 4, column preemptible: expected yes or no, found 'maybe'"),
        ("1,60", "line 4: expected 6 values as in the header, found 2"),
        ('1,"60,4,1,,', "line 4: "),
    ],
)
def test_bad_values_are_named(path: Path, line: str, complaint: str) -> None:
    """The complaint names the file, the line, the column and what was expected."""
    write(path, "# comment", f"{HEADERS[Format.OWN]},nodes,gpu_milli,preemptible", "", line)

    with pytest.raises(BadInput) as caught:
        own.read(path)

    assert str(caught.value).startswith(f"{path}, {complaint}")


def test_a_missing_column_is_named(path: Path) -> None:
    """With its file, and with what is there instead."""
    write(path, "# comment", "submit,gpus", "1,2")

    with pytest.raises(BadInput) as caught:
        own.read(path)

    assert f"{path}, line 2: the header lacks duration; found submit, gpus" == str(caught.value)


def test_only_the_first_jobs(path: Path) -> None:
    """The earliest, not the first lines."""
    write(path, HEADERS[Format.OWN], "9,1,1", "3,2,1", "5,3,1")

    assert [2 * SECOND, 3 * SECOND] == list(own.read(path).first(2).durations)
