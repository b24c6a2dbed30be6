"""The route table: every google.api.http binding of the contracts, and what a path leads to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from gateway.templates import Template, parse_template

Target = TypeVar("Target")

# Its own types call it a field, not an extension.
_HTTP: Any = annotations_pb2.http
_WILDCARDS = frozenset({"*", "**"})


@dataclass(frozen=True, slots=True)
class Route:
    """One binding of an RPC.

    `body` is `*` (the whole request), a field's name, or empty; `response_body` a field of the
    response that is the answer, or empty for the whole; `canonical` is false for the
    additional bindings, which are other names of the same thing.
    """

    verb: str
    template: Template
    method: MethodDescriptor
    body: str
    response_body: str
    canonical: bool

    @property
    def key(self) -> str:
        """The binding as people write it: `POST /api/v1/jobs`."""
        return f"{self.verb} {self.template.text}"


class RouteConflict(Exception):
    """Two bindings that would answer the same requests."""


class NoRoute(Exception):
    """No binding has this path."""


class VerbNotAllowed(Exception):
    """The path is known; `allowed` are the HTTP methods that it answers."""

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(allowed)
        self.allowed = tuple(allowed)


def routes_of(services: Iterable[ServiceDescriptor]) -> Iterator[Route]:
    """Yields the bindings of all RPCs of `services`, in the contracts' order."""
    for service in services:
        for method in service.methods:
            options = method.GetOptions()
            if options.HasExtension(_HTTP):
                rule: http_pb2.HttpRule = options.Extensions[_HTTP]
                yield _route(method, rule, canonical=True)
                for other in rule.additional_bindings:
                    yield _route(method, other, canonical=False)


def _route(method: MethodDescriptor, rule: http_pb2.HttpRule, *, canonical: bool) -> Route:
    pattern = rule.WhichOneof("pattern")
    if pattern is None:
        raise ValueError(f"{method.full_name} has a google.api.http option without a path")
    verb, path = pattern.upper(), getattr(rule, pattern)
    if pattern == "custom":
        verb, path = rule.custom.kind, rule.custom.path
    return Route(verb, parse_template(path), method, rule.body, rule.response_body, canonical)


class RouteTable(Generic[Target]):
    """Finds what a method and a path lead to; a literal segment wins over a variable."""

    def __init__(self) -> None:
        self._root: _Node[Target] = _Node()

    def add(self, route: Route, target: Target) -> None:
        """Enters a binding; RouteConflict where another one answers the same requests."""
        node = self._root
        for segment in route.template.segments:
            node = node.child(segment)
        ends = node.ends.setdefault(route.template.verb, {})
        other = ends.get(route.verb)
        if other is not None:
            raise RouteConflict(
                f"{route.key} of {route.method.full_name} is {other.route.key} "
                f"of {other.route.method.full_name} again"
            )
        ends[route.verb] = _End(route, target)

    def find(self, verb: str, path: str) -> tuple[Target, Mapping[str, str]]:
        """Returns the target and the path's variables; raises NoRoute or VerbNotAllowed.

        `path` is as it came over the wire: percent-encoded, so that an encoded slash or colon
        is part of a value and no separator.
        """
        allowed: set[str] = set()
        for segments, custom in _readings(path):
            ends = _walk(self._root, segments, 0, custom)
            if ends is not None and verb in ends:
                end = ends[verb]
                return end.target, _values(end.route.template, segments)
            allowed.update(ends or ())
        if allowed:
            raise VerbNotAllowed(sorted(allowed))
        raise NoRoute


@dataclass(frozen=True, slots=True)
class _End(Generic[Target]):
    route: Route
    target: Target


@dataclass(slots=True)
class _Node(Generic[Target]):
    """One segment of the tree; `ends` leads from custom verb and HTTP method to the target."""

    children: dict[str, _Node[Target]] = field(default_factory=dict)
    ends: dict[str, dict[str, _End[Target]]] = field(default_factory=dict)

    def child(self, segment: str) -> _Node[Target]:
        return self.children.setdefault(segment, _Node())


def _readings(path: str) -> Iterator[tuple[list[str], str]]:
    """Yields the path's segments with its last colon as a custom verb, then as part of a value."""
    segments = path[1:].split("/")
    stem, colon, custom = segments[-1].rpartition(":")
    if colon:
        yield _decoded([*segments[:-1], stem]), custom
    yield _decoded(segments), ""


def _decoded(segments: list[str]) -> list[str]:
    try:
        return [unquote(each, errors="strict") if "%" in each else each for each in segments]
    except UnicodeDecodeError:
        raise NoRoute from None


def _walk(
    node: _Node[Target], segments: list[str], position: int, custom: str
) -> dict[str, _End[Target]] | None:
    if position == len(segments):
        return node.ends.get(custom)
    segment = segments[position]
    children = node.children
    if segment not in _WILDCARDS and segment in children:
        found = _walk(children[segment], segments, position + 1, custom)
        if found is not None:
            return found
    if segment and "*" in children:
        found = _walk(children["*"], segments, position + 1, custom)
        if found is not None:
            return found
    return children["**"].ends.get(custom) if "**" in children else None


def _values(template: Template, segments: list[str]) -> Mapping[str, str]:
    return {
        variable.field: "/".join(segments[variable.first : variable.end])
        for variable in template.variables
    }
