"""The protos keep buf's rules STANDARD and COMMENTS, with no exceptions."""

import subprocess
import sys
from pathlib import Path

import grpc_tools
import pytest
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).with_name("buf")
CONFIGURATION = ROOT / "protos" / "buf.yaml"
PACKAGE = "gpuaas/trial/v1/trial.proto"
GOOD = """\
syntax = "proto3";

package gpuaas.trial.v1;

// Carries one word.
message Word {
  // The word itself.
  string text = 1;
}
"""


def lint(image: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Lints a descriptor set that carries comments; needs no network."""
    return subprocess.run(
        [BUF, "lint", image, "--config", CONFIGURATION],
        env={"HOME": str(home), "BUF_CACHE_DIR": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def image_of(text: str, folder: Path) -> Path:
    """Compiles one proto to a descriptor set with comments."""
    source = folder / PACKAGE
    source.parent.mkdir(parents=True)
    source.write_text(text)
    image = folder / "image.binpb"
    code = protoc.main(
        [
            "protoc",
            f"-I{folder}",
            f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={image}",
            PACKAGE,
        ]
    )
    assert 0 == code
    return image


def test_the_contracts_keep_the_rules(tmp_path: Path) -> None:
    """Every name is in form and every service, RPC, message, field and value has a comment."""
    result = lint(ROOT / "gen" / "gpuaas.binpb", tmp_path)

    assert 0 == result.returncode, result.stdout + result.stderr


def test_a_good_proto_passes(tmp_path: Path) -> None:
    """What the next test spoils was clean before."""
    result = lint(image_of(GOOD, tmp_path), tmp_path)

    assert 0 == result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("  // The word itself.\n", "", 'Field "text" should have a non-empty comment'),
        ("// Carries one word.\n", "", 'Message "Word" should have a non-empty comment'),
        ("string text", "string theText", 'should be lower_snake_case, such as "the_text"'),
        ("gpuaas.trial.v1", "gpuaas.trial", "should be suffixed with a correctly formed version"),
    ],
)
def test_a_spoilt_proto_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    """The linter is switched on: each of these is found."""
    result = lint(image_of(GOOD.replace(old, new), tmp_path), tmp_path)

    assert 100 == result.returncode
    assert complaint in result.stdout
