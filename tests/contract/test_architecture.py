"""ARCHITECTURE.md maps the code that is there: all folders, and servicekit's closed list."""

import re
import subprocess
from collections.abc import Iterator

from local.processes import ROOT

TEXT = (ROOT / "ARCHITECTURE.md").read_text()
ROW = re.compile(r"^\| `([\w/.-]+)` \| \S", re.MULTILINE)
MOST_LINES = 200


def part(name: str) -> str:
    """Returns what stands between the markers of a name."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


def unimplemented() -> Iterator[str]:
    """Yields the RPCs that the document says are not built yet, as Service.Method."""
    for row in part("unimplemented").splitlines()[2:]:
        _, _, service, methods, _ = row.split("|")
        for method in methods.split(","):
            yield f"{service.strip()}.{method.strip()}"


def test_it_stays_short() -> None:
    """Whoever opens it can read all of it."""
    assert len(TEXT.splitlines()) < MOST_LINES


def test_every_folder_is_on_the_map() -> None:
    """No folder of the code base goes unmentioned, and none is there on paper only."""
    kept = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [path.split("/")[0] for path in kept.splitlines() if "/" in path]
    folders = {f"{folder}/" for folder in paths if not folder.startswith(".")}

    assert folders == {name for name in ROW.findall(TEXT) if name.endswith("/")}


def test_the_list_of_servicekit_is_closed() -> None:
    """A module that is added has to be admitted here, in alphabetical order, with its purpose."""
    modules = {
        path.stem
        for path in (ROOT / "servicekit").iterdir()
        if path.stem[:1] not in ("_", ".") and (path.is_dir() or path.suffix == ".py")
    }

    assert sorted(modules) == ROW.findall(part("servicekit"))
