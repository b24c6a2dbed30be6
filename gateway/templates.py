"""Path templates of google.api.http: `/api/v1/jobs/{job_id}:approve`, `/v1/{name=pools/*}`.

Grammar: `/` segments, each a literal, `*` (one segment), `**` (the rest; last only) or a variable
`{field.path}` or `{field.path=segments}`; a custom verb after the last `:` closes the template.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEMPLATE = re.compile(r"/(?P<path>(?:[^{}:]|\{[^{}]*\})*)(?::(?P<verb>[A-Za-z0-9_.-]+))?")
_PIECE = re.compile(r"\{(?P<field>[a-z0-9_.]+)(?:=(?P<pattern>[^{}]+))?\}|(?P<literal>[^/{}]+)")


@dataclass(frozen=True, slots=True)
class Variable:
    """A field that the path gives: it takes the segments from `first` up to, without, `end`."""

    field: str
    first: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: `segments` are literals, `*` and `**`; `verb` is empty for most."""

    text: str
    segments: tuple[str, ...]
    variables: tuple[Variable, ...]
    verb: str

    @property
    def shape(self) -> tuple[tuple[str, ...], str]:
        """What two templates share exactly when they answer the same paths."""
        return self.segments, self.verb


def parse_template(text: str) -> Template:
    """Returns the parsed template; ValueError that names what is wrong with it."""
    match = _TEMPLATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no path template")
    segments: list[str] = []
    variables: list[Variable] = []
    for piece in _split(match["path"]):
        field, parts = _parse_piece(text, piece)
        if field:
            end = None if parts[-1] == "**" else len(segments) + len(parts)
            variables.append(Variable(field, len(segments), end))
        segments.extend(parts)
    if "**" in segments[:-1]:
        raise ValueError(f"{text!r} has ** before its end")
    return Template(text, tuple(segments), tuple(variables), match["verb"] or "")


def _split(path: str) -> list[str]:
    """Splits at the slashes that are not within braces."""
    return re.findall(r"(?:[^/{}]|\{[^{}]*\})+", path) if path else [""]


def _parse_piece(text: str, piece: str) -> tuple[str, list[str]]:
    match = _PIECE.fullmatch(piece)
    if match is None:
        raise ValueError(f"{text!r} has the segment {piece!r}, which is neither name nor variable")
    if match["literal"]:
        return "", [match["literal"]]
    return match["field"], (match["pattern"] or "*").split("/")
