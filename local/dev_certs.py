"""`make dev-certs`: certificates for every process, by an authority made for the purpose."""

from __future__ import annotations

import argparse
from pathlib import Path

from local.certificates import make_certificates
from local.layout import NAMES
from local.processes import ROOT


def main(arguments: list[str] | None = None) -> None:
    """Makes what is missing or about to expire, and says where it is."""
    parser = argparse.ArgumentParser(prog="python -m local.dev_certs", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "var" / "certificates")
    parser.add_argument(
        "--host", action="append", default=[], help="a further name or address of this machine"
    )
    options = parser.parse_args(arguments)
    made = make_certificates(options.folder, NAMES, hosts=options.host)
    print(f"Certificates for {', '.join(NAMES)} are in {made.folder}.")
    print(f"Believe {made.authority.name}; keep authority.key and the processes' keys to yourself.")


if __name__ == "__main__":
    main()
