"""Stands in for grpcurl: translates its command line to `buf curl`, which speaks the same protocol.

Knows what README.md uses of it: -plaintext, -H, -d, `list`, `describe` of a service, and calls.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

BUF = str(Path(sys.executable).with_name("buf"))
# v1alpha is what the services have, and what grpcurl falls back to.
SPEAK = ["curl", "--protocol", "grpc", "--http2-prior-knowledge"]
ASK = ["--reflect", "--reflect-protocol", "grpc-v1alpha"]


def main(arguments: list[str]) -> int:
    """Does what grpcurl would do with these arguments."""
    options = parse(arguments)
    headers = [part for header in options.header for part in ("-H", header)]
    # grpcurl sends its headers with reflection too.
    headers += [part for header in options.header for part in ("--reflect-header", header)]
    base = [BUF, *SPEAK, *ASK, *headers]
    url = f"http://{options.address}"
    match options.symbols:
        case ["list"]:
            return subprocess.run([*base, "--list-services", url], check=False).returncode
        case ["describe", service]:
            return describe(base, url, service)
        case [method]:
            return os.execv(BUF, [*base, "-d", options.data, f"{url}/{method}"])
        case other:
            raise SystemExit(f"what does grpcurl do with {other}?")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads a command line of grpcurl's; anything unknown ends with code 2."""
    parser = argparse.ArgumentParser(prog="grpcurl", allow_abbrev=False)
    parser.add_argument("-plaintext", action="store_true", required=True)
    parser.add_argument("-H", dest="header", action="append", default=[])
    parser.add_argument("-d", dest="data", default="{}")
    parser.add_argument("address")
    parser.add_argument("symbols", nargs="+")
    return parser.parse_args(arguments)


def describe(base: list[str], url: str, service: str) -> int:
    """Prints the methods of a service, which is the part of a description that buf can give."""
    listed = subprocess.run(
        [*base, "--list-methods", url], check=True, stdout=subprocess.PIPE, text=True
    )
    methods = [it for it in listed.stdout.split() if it.startswith(f"{service}/")]
    print("\n".join(methods))
    return 0 if methods else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
