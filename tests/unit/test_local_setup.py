"""The set-up command: what it says when something is missing, and when it does nothing."""

import ast
import importlib.util
import sys
import threading
from pathlib import Path

import pytest

from local import setup, stubs

PROTO = """\
syntax = "proto3";

package gpuaas.trial.v1;

// Repeats words.
service EchoService {
  // Repeats a word.
  rpc Echo(Word) returns (Word);
}

// Carries one word.
message Word {
  // The word itself.
  string text = 1;
}
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one proto, for the stub generator to work in."""
    monkeypatch.setattr(stubs, "ROOT", tmp_path)
    monkeypatch.setattr(stubs, "PROTOS", tmp_path / "protos")
    monkeypatch.setattr(stubs, "GENERATED", tmp_path / "gen")
    monkeypatch.setattr(stubs, "__file__", str(tmp_path / "stubs.py"))
    (tmp_path / "stubs.py").touch()
    (tmp_path / "requirements-dev.lock").touch()
    proto = tmp_path / "protos" / "gpuaas" / "trial" / "v1" / "trial.proto"
    proto.parent.mkdir(parents=True)
    proto.write_text(PROTO)
    return tmp_path


def snapshot(folder: Path) -> dict[Path, int]:
    """Returns every file with the time of its last change."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_an_old_python_can_parse_the_set_up() -> None:
    """It must get as far as saying what it lacks."""
    source = Path(setup.__file__).read_text()

    tree = ast.parse(source, feature_version=(3, 7))

    assert "main" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_an_old_python_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the version wanted, the one found, and how to choose another."""
    monkeypatch.setattr(setup, "OLDEST", (99, 0))

    complaint = setup.missing_parts()

    assert complaint is not None
    assert "needs Python 99.0 or newer" in complaint
    assert sys.executable in complaint
    assert "PYTHON3=" in complaint


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_missing_module_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """Debian splits these off; the message says what to install, and the command ends with 2."""
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else there(name)
    )

    complaint = setup.missing_parts()

    version = "{}.{}".format(*sys.version_info[:2])
    assert complaint is not None
    assert f"no module '{module}'" in complaint
    assert f"apt-get install python{version}-venv" in complaint
    assert 2 == setup.main()


def test_this_python_lacks_nothing() -> None:
    """The checks pass where the project runs."""
    assert None is setup.missing_parts()


def test_two_set_ups_wait_for_each_other(tmp_path: Path) -> None:
    """The second goes on only when the first has finished."""
    order = []

    def second() -> None:
        with setup.one_at_a_time(tmp_path / "lock"):
            order.append("second")

    with setup.one_at_a_time(tmp_path / "lock"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(timeout=0.2)
        order.append("first")
    waiting.join()

    assert ["first", "second"] == order


def test_stubs_are_typed_packages_with_a_descriptor_set(checkout: Path) -> None:
    """Messages, servicers, their types and the comments are all there."""
    assert 0 == stubs.main()

    names = {str(path.relative_to(checkout / "gen")) for path in snapshot(checkout / "gen")}
    folder = "gpuaas/trial/v1"
    assert names >= {
        "gpuaas.binpb",
        "gpuaas/py.typed",
        "gpuaas/__init__.py",
        f"{folder}/__init__.py",
        f"{folder}/trial_pb2.py",
        f"{folder}/trial_pb2.pyi",
        f"{folder}/trial_pb2_grpc.py",
        f"{folder}/trial_pb2_grpc.pyi",
    }
    assert b"The word itself." in (checkout / "gen" / "gpuaas.binpb").read_bytes()


def test_unchanged_protos_generate_nothing(checkout: Path) -> None:
    """A second run touches no file."""
    stubs.main()
    before = snapshot(checkout / "gen")

    assert 0 == stubs.main()

    assert before == snapshot(checkout / "gen")


def test_a_changed_proto_changes_its_stubs_only(checkout: Path) -> None:
    """Files whose content stays keep their time, and those without a proto disappear."""
    other = checkout / "protos" / "gpuaas" / "trial" / "v1" / "other.proto"
    other.write_text('syntax = "proto3";\npackage gpuaas.trial.v1;\n')
    stubs.main()
    folder = checkout / "gen" / "gpuaas" / "trial" / "v1"
    before = snapshot(folder)
    other.unlink()
    trial = other.with_name("trial.proto")
    trial.write_text(PROTO.replace("string text = 1;", "string text = 1;\n  int32 count = 2;"))

    assert 0 == stubs.main()

    after = snapshot(folder)
    assert [] == [path for path in after if path.name.startswith("other")]
    assert "count" in (folder / "trial_pb2.pyi").read_text()
    assert before[folder / "trial_pb2_grpc.py"] == after[folder / "trial_pb2_grpc.py"]


def test_a_broken_proto_leaves_the_stubs_as_they_were(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The compiler's own words name file and line, and what worked goes on working."""
    stubs.main()
    before = snapshot(checkout / "gen")
    proto = checkout / "protos" / "gpuaas" / "trial" / "v1" / "trial.proto"
    proto.write_text(PROTO.replace("string text = 1;", "string text = ;"))

    assert 0 != stubs.main()

    assert before == snapshot(checkout / "gen")
    assert "gpuaas/trial/v1/trial.proto:14" in capfd.readouterr().err
