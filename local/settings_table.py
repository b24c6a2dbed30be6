"""Writes README.md's table of settings from the settings classes, as env_example.py its file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from local.env_example import settings_of, shown
from local.layout import NAMES, PREFIX, Name
from local.processes import ROOT

TARGET = ROOT / "README.md"
SECTION = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.DOTALL)
HEADER = "| Setting | Default | Meaning |\n|---|---|---|\n"
ANY_PREFIX = "GPUAAS_<PROCESS>"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting without the process that it belongs to."""

    field: str
    default: str
    meaning: str

    def line(self, prefix: str) -> str:
        """Returns the row about the setting."""
        default = f"`{self.default}`" if self.default else ""
        return f"| `{prefix}_{self.field.upper()}` | {default} | {self.meaning} |\n"


def main() -> None:
    """Writes the table into its place."""
    TARGET.write_text(renewed(TARGET.read_text()))


def renewed(readme: str) -> str:
    """Returns the document with the table as the code has it now."""
    return SECTION.sub(lambda match: match[1] + table() + match[2], readme)


def table() -> str:
    """Returns the table; what is the same for every process stands once, and first."""
    own = {name: list(settings(name)) for name in NAMES}
    counts = Counter(setting for settings in own.values() for setting in settings)
    shared = [setting for setting, count in counts.items() if count == len(NAMES)]
    rows = [setting.line(ANY_PREFIX) for setting in shared]
    for name in NAMES:
        rows += [setting.line(PREFIX[name]) for setting in own[name] if setting not in shared]
    return HEADER + "".join(rows)


def settings(name: Name) -> Iterator[Setting]:
    """Yields the settings of a process."""
    for field, info in settings_of(name).model_fields.items():
        default = shown(info).removeprefix(f"{ROOT}/")
        yield Setting(field, default, (info.description or "").replace("|", "\\|"))


if __name__ == "__main__":
    main()
