"""Generates the Python stubs, their types and the descriptor set from protos/ into gen/.

Needs grpcio-tools and mypy-protobuf, so it runs in the environment that set-up makes. It does
nothing while the contracts, the generators and this file are what they were at the last run.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = ROOT / "gen"
DESCRIPTORS = "gpuaas.binpb"
STAMP = ".generated-from"


def main() -> int:
    """Generates when something changed; returns protoc's exit code."""
    sources = sorted(PROTOS.rglob("*.proto"))
    digest = digest_of([*sources, ROOT / "requirements-dev.lock", Path(__file__)])
    stamp = GENERATED / STAMP
    if stamp.exists() and stamp.read_text() == digest:
        return 0
    with tempfile.TemporaryDirectory(prefix="gpuaas-stubs-") as scratch:
        target = Path(scratch)
        code = run_protoc(sources, target)
        if code == 0:
            mark_packages(target)
            replace_tree(target, GENERATED)
            stamp.write_text(digest)
    return code


def digest_of(files: Iterable[Path]) -> str:
    """Returns one digest over the names and contents of `files`, in their order."""
    whole = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        whole.update(b"%s %d\n" % (str(file.relative_to(ROOT)).encode(), len(content)))
        whole.update(content)
    return whole.hexdigest()


def run_protoc(sources: list[Path], target: Path) -> int:
    """Writes stubs, types and the descriptor set with comments into `target`."""
    from grpc_tools import protoc  # costs 100 ms, which an unchanged tree should not pay

    print(f"set-up: generating stubs for {len(sources)} protos", file=sys.stderr)
    scripts = Path(sysconfig.get_path("scripts"))
    code: int = protoc.main(
        [
            "protoc",
            f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
            f"--proto_path={PROTOS}",
            # google/api comes with googleapis-common-protos, google/protobuf with protoc itself.
            f"--proto_path={sysconfig.get_path('purelib')}",
            f"--proto_path={Path(protoc.__file__).parent / '_proto'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            # Concrete: a servicer may leave out an RPC, which then answers UNIMPLEMENTED.
            f"--mypy_grpc_out=quiet,generate_concrete_servicer_stubs:{target}",
            f"--descriptor_set_out={target / DESCRIPTORS}",
            "--include_imports",
            "--include_source_info",
            *(str(source.relative_to(PROTOS)) for source in sources),
        ]
    )
    return code


def mark_packages(target: Path) -> None:
    """Makes every generated folder a typed package."""
    for package in target.iterdir():
        if package.is_dir():
            (package / "py.typed").touch()
            for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
                (folder / "__init__.py").touch()


def replace_tree(source: Path, target: Path) -> None:
    """Makes `target` equal to `source`, touching only files whose content differs.

    A process that imports at this moment finds each file whole, and type checkers keep their
    caches for what did not change.
    """
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for name in wanted:
        replace_file(source / name, target / name)
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if path.relative_to(target) not in wanted and path.suffix != ".pyc":
            path.unlink()


def replace_file(source: Path, target: Path) -> None:
    """Puts `source` in the place of `target` in one step, unless they are alike."""
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".new")
    shutil.copyfile(source, beside)
    beside.replace(target)


if __name__ == "__main__":
    sys.exit(main())
