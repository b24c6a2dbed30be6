"""Puts what an HTTP request says - body, path, query, Idempotency-Key - into one message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from gateway.problems import Problem
from gateway.routes import Route
from gateway.transcoding import Decoders, Fill, Mismatch
from gateway.transcoding.encoder import is_map, is_wrapper
from gateway.transcoding.scalars import boolean_text
from servicekit.errors import InvalidArgument, Violation, invalid

REQUEST_ID = "request_id"
FORM = "application/x-www-form-urlencoded"
MOST_PARAMETERS = 100

Parameter = Callable[[Any, list[str]], None]
"""`parameter(message, texts)` sets one field from the texts that a URL gives for it."""

_TEXT_MESSAGES = frozenset(
    {"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"}
)


class Binding:
    """How requests of one route become messages; made once, at start."""

    def __init__(self, route: Route, decoders: Decoders) -> None:
        self._message = GetMessageClass(route.method.input_type)
        fields = text_fields(route.method.input_type)
        parameters = {text.name: _parameter(text, decoders) for text in fields}
        self._path = {
            variable.field: _known(parameters, variable.field, route)
            for variable in route.template.variables
        }
        self._form = {name: each for name, each in parameters.items() if name not in self._path}
        self._query = {name: each for name, each in self._form.items() if in_query(route, name)}
        self._body = _body_of(route, decoders)
        self._takes_form = route.body == "*"
        self._has_request_id = REQUEST_ID in route.method.input_type.fields_by_name

    def message(
        self,
        path: Mapping[str, str],
        query: bytes,
        headers: Mapping[bytes, bytes],
        body: bytes,
    ) -> Any:
        """Returns the request message; raises a Failure or Problem that names what is wrong."""
        message = self._message()
        if body:
            self._read_body(message, headers, body)
        for name, text in path.items():
            _apply(self._path, message, name, [text])
        if query:
            _apply_all(self._query, message, query, "query parameter")
        if self._has_request_id:
            _take_key(message, headers.get(b"idempotency-key"))
        return message

    def _read_body(self, message: Any, headers: Mapping[bytes, bytes], body: bytes) -> None:
        if self._body is None:
            raise invalid("body", "nothing; this request has no body")
        media = _media_type(headers)
        if media == FORM and self._takes_form:
            _apply_all(self._form, message, body, "form field", blanks=False)
            return
        if media not in ("", "application/json"):
            raise Problem(415, "MEDIA_TYPE_UNSUPPORTED", f"{media} is not JSON: application/json")
        value = _json(body)
        if type(value) is dict and self._takes_form:
            self._refuse_path_fields(value)
        try:
            self._body(message, value)
        except Mismatch as mismatch:
            raise mismatch.failure() from None
        except RecursionError:
            raise InvalidArgument("the body is nested too deeply") from None

    def _refuse_path_fields(self, value: Mapping[str, Any]) -> None:
        for name in self._path:
            if name in value:
                raise invalid(name, "to be given by the path only")


@dataclass(frozen=True, slots=True)
class TextField:
    """A field that a text can set: its dotted name, and the messages on the way to it."""

    name: str
    holders: tuple[str, ...]
    field: FieldDescriptor


def text_fields(
    descriptor: Descriptor, holders: tuple[str, ...] = (), within: tuple[str, ...] = ()
) -> Iterator[TextField]:
    """Yields every field of a request that a path or a query can set.

    These are scalars, enums, lists of them, times, durations and field masks, also within
    messages; not maps, not lists of messages, and a type within itself only once.
    """
    for field in descriptor.fields:
        inner = field.message_type
        if _is_text(field):
            yield TextField(".".join((*holders, field.name)), holders, field)
        elif inner is not None and _is_walked(field, inner, within):
            yield from text_fields(inner, (*holders, field.name), (*within, inner.full_name))


def _is_walked(field: FieldDescriptor, inner: Descriptor, within: tuple[str, ...]) -> bool:
    well_known = inner.full_name.startswith("google.")
    return not field.is_repeated and not well_known and inner.full_name not in within


def in_query(route: Route, name: str) -> bool:
    """Returns whether a text field that the path does not give may stand in the query."""
    return route.body != "*" and name.partition(".")[0] != route.body


def _is_text(field: FieldDescriptor) -> bool:
    if field.message_type is None:
        return True
    if field.is_repeated or is_map(field):
        return False
    return field.message_type.full_name in _TEXT_MESSAGES or is_wrapper(field.message_type)


def _parameter(text: TextField, decoders: Decoders) -> Parameter:
    field, fill = text.field, decoders.of_field(text.field)
    # A text stands for a boolean only in a boolean field; everywhere else JSON takes text too.
    element = field
    if field.message_type is not None and is_wrapper(field.message_type):
        element = field.message_type.fields_by_name["value"]
    read = boolean_text if element.type == FieldDescriptor.TYPE_BOOL else _same

    def assign(message: Any, texts: list[str]) -> None:
        for holder in text.holders:
            message = getattr(message, holder)
        if field.is_repeated:
            fill(message, [read(each) for each in texts])
        elif len(texts) > 1:
            raise Mismatch.expected("one value, not several")
        else:
            fill(message, read(texts[0]))

    return assign


def _same(text: str) -> Any:
    return text


def _body_of(route: Route, decoders: Decoders) -> Fill | None:
    if not route.body:
        return None
    if route.body == "*":
        return decoders.of(route.method.input_type)
    field = route.method.input_type.fields_by_name.get(route.body)
    if field is None:
        raise ValueError(f"{route.key} takes its body into {route.body!r}, which is no field")
    return decoders.of_field(field)


def _known(parameters: Mapping[str, Parameter], name: str, route: Route) -> Parameter:
    if name not in parameters:
        raise ValueError(f"{route.key} has the variable {name!r}, which is no field of its request")
    return parameters[name]


def _apply(parameters: Mapping[str, Parameter], message: Any, name: str, texts: list[str]) -> None:
    try:
        parameters[name](message, texts)
    except Mismatch as mismatch:
        raise Mismatch(*mismatch.under(name)).failure() from None


def _apply_all(
    parameters: Mapping[str, Parameter],
    message: Any,
    encoded: bytes,
    what: str,
    *,
    blanks: bool = True,
) -> None:
    """Sets the fields that a query or form names; without `blanks` those with empty values not.

    OAuth 2 clients send empty form fields, which count as left out (RFC 6749, section 3.2).
    """
    texts: dict[str, list[str]] = {}
    for name, text in _pairs(encoded, what):
        if not text and not blanks:
            continue
        texts.setdefault(name, []).append(text)
    violations: list[Violation] = []
    for name, values in texts.items():
        parameter = parameters.get(name)
        if parameter is None:
            violations.append(Violation(name[:64], f"unknown {what}"))
            continue
        try:
            parameter(message, values)
        except Mismatch as mismatch:
            violations.extend(mismatch.under(name))
    if violations:
        raise Mismatch(*violations).failure()


def _pairs(encoded: bytes, what: str) -> Iterable[tuple[str, str]]:
    try:
        return parse_qsl(
            encoded.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError:
        raise InvalidArgument(
            f"expected at most {MOST_PARAMETERS} {what}s in percent-encoded UTF-8",
            reason="MESSAGE_MALFORMED",
        ) from None


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(
            f"the body is not JSON: {error}", reason="MESSAGE_MALFORMED"
        ) from None


def _media_type(headers: Mapping[bytes, bytes]) -> str:
    text = headers.get(b"content-type", b"").decode("latin-1")
    return text.partition(";")[0].strip().lower()


def _take_key(message: Any, key: bytes | None) -> None:
    """Fills request_id from the Idempotency-Key header; two different ids are refused."""
    if key is None:
        return
    text = key.decode("latin-1").strip('"')
    if message.request_id and message.request_id != text:
        raise invalid(REQUEST_ID, "the same value as the Idempotency-Key header, or none")
    message.request_id = text
