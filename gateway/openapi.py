"""The OpenAPI 3.1 document: every binding of the contracts, with their comments as descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from gateway.binding import REQUEST_ID, in_query, text_fields
from gateway.callers import TICKET
from gateway.contracts import Contracts
from gateway.problems import MEDIA_TYPE as PROBLEM
from gateway.routes import Route
from gateway.schemas import Schema, Schemas
from gateway.streams import RESUME_TOKEN
from gpuaas.api.v1 import access_pb2

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
EVENTS = "text/event-stream"

_PROBLEM: Schema = {
    "type": "object",
    "description": "What went wrong, as RFC 9457 has it; `reason` is for programs.",
    "required": ["type", "title", "status", "detail", "reason", "request_id", "errors", "metadata"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
            },
        },
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}

_IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "UUID that makes a repeat of this request harmless; fills `request_id`.",
    "schema": {"type": "string", "format": "uuid"},
}

_LAST_EVENT_ID: Schema = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "Id of the last event seen; the stream goes on right after it.",
    "schema": {"type": "string"},
}


_TICKET: Schema = {
    "name": TICKET,
    "in": "query",
    "required": False,
    "description": "Opens the stream once, in the place of an Authorization header.",
    "schema": {"type": "string"},
}


def openapi_document(
    contracts: Contracts, routes: Iterable[Route], *, title: str, version: str
) -> bytes:
    """Returns the document as JSON."""
    routes = list(routes)
    schemas = Schemas(contracts.comments)
    operations = _Operations(contracts, schemas)
    paths: dict[str, dict[str, Schema]] = {}
    for route in routes:
        operation = operations.of(route)
        paths.setdefault(path_of(route), {})[route.verb.lower()] = operation
    tags = [
        {"name": service.name, "description": contracts.comments.get(service.full_name, "")}
        for service in dict.fromkeys(route.method.containing_service for route in routes)
    ]
    document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Problem": _PROBLEM},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
    return orjson.dumps(document)


def path_of(route: Route) -> str:
    """Returns the path as OpenAPI writes it: variables by name only."""
    parts = list(route.template.segments)
    for variable in reversed(route.template.variables):
        parts[variable.first : variable.end] = ["{" + variable.field + "}"]
    verb = f":{route.template.verb}" if route.template.verb else ""
    return "/" + "/".join(parts) + verb


class _Operations:
    """Describes one binding after the other."""

    def __init__(self, contracts: Contracts, schemas: Schemas) -> None:
        self._comments = contracts.comments
        self._schemas = schemas
        self._names: dict[str, int] = {}
        self._canonical: dict[str, str] = {}

    def of(self, route: Route) -> Schema:
        """Returns the operation of a binding; canonical ones come before their other names."""
        method = route.method
        operation: Schema = {
            "operationId": self._operation_id(method),
            "tags": [method.containing_service.name],
            **self._words(route),
            "parameters": list(self._parameters(route)),
            "responses": {
                "200": self._answer(route),
                "default": {
                    "description": "What went wrong.",
                    "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                },
            },
            **_security(method),
        }
        if route.body:
            operation["requestBody"] = {"content": self._body(route)}
        return operation

    def _operation_id(self, method: MethodDescriptor) -> str:
        name = f"{method.containing_service.name}_{method.name}"
        self._names[name] = self._names.get(name, 0) + 1
        return name if self._names[name] == 1 else f"{name}_{self._names[name]}"

    def _words(self, route: Route) -> Schema:
        comment = self._comments.get(route.method.full_name, "")
        summary, _, description = comment.partition("\n\n")
        if route.canonical:
            self._canonical[route.method.full_name] = route.key
        else:
            same = self._canonical[route.method.full_name]
            description = f"Another name of `{same}`.\n\n{description}"
        return {"summary": summary.replace("\n", " "), "description": description}

    def _parameters(self, route: Route) -> Iterator[Schema]:
        request = route.method.input_type
        path = {variable.field for variable in route.template.variables}
        for text in text_fields(request):
            place = "path" if text.name in path else "query"
            if place == "path" or in_query(route, text.name):
                yield self._parameter(text.name, text.field, place)
        if REQUEST_ID in request.fields_by_name:
            yield _IDEMPOTENCY_KEY
        if route.method.server_streaming and RESUME_TOKEN in request.fields_by_name:
            yield _LAST_EVENT_ID
        if route.method.server_streaming:
            yield _TICKET

    def _parameter(self, name: str, field: FieldDescriptor, place: str) -> Schema:
        schema = self._schemas.of_field(field)
        parameter: Schema = {"name": name, "in": place, "required": place == "path"}
        description = schema.pop("description", None)
        if description:
            parameter["description"] = description
        return {**parameter, "schema": schema}

    def _body(self, route: Route) -> Schema:
        request = route.method.input_type
        if route.body != "*":
            return {JSON: {"schema": self._schemas.of_field(request.fields_by_name[route.body])}}
        path = {variable.field for variable in route.template.variables}
        fields = [field for field in request.fields if field.name not in path]
        schema = self._schemas.object(request, fields) if path else self._schemas.of(request)
        flat = all(field.message_type is None for field in fields)
        media = (JSON, FORM) if flat else (JSON,)
        return {each: {"schema": schema} for each in media}

    def _answer(self, route: Route) -> Schema:
        output = route.method.output_type
        comment = self._comments.get(output.full_name, "The answer.")
        if route.method.server_streaming:
            # A line of `data` is one element of the message's list, or the message itself.
            schema = {"type": "string", "description": "Server-sent events."}
            described = {"schema": schema, "x-message": self._schemas.of(output)}
            return {"description": comment, "content": {EVENTS: described}}
        if route.response_body:
            schema = self._schemas.of_field(output.fields_by_name[route.response_body])
        else:
            schema = self._schemas.of(output)
        return {"description": comment, "content": {JSON: {"schema": schema}}}


def _security(method: MethodDescriptor) -> Schema:
    """Returns who may call, from the contract's option; `security` is empty for everybody."""
    allowed = method.GetOptions().Extensions[access_pb2.access].allow
    public = access_pb2.CALLER_PUBLIC in allowed
    names = [access_pb2.Caller.Name(caller).removeprefix("CALLER_").lower() for caller in allowed]
    security: list[Any] = [] if public else [{"bearer": []}]
    return {"security": security, "x-callers": names}
