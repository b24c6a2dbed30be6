"""JSON schemas of messages and enums, with the contracts' comments as descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.transcoding.encoder import is_map, is_wrapper

Schema = dict[str, Any]

_F = FieldDescriptor
_INT32: Schema = {"type": "integer", "format": "int32"}
_UINT32: Schema = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_INT64: Schema = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}
_UINT64: Schema = {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"}

_SCALARS: Mapping[int, Schema] = {
    _F.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _F.TYPE_FLOAT: {"type": "number", "format": "float"},
    _F.TYPE_INT32: _INT32,
    _F.TYPE_SINT32: _INT32,
    _F.TYPE_SFIXED32: _INT32,
    _F.TYPE_UINT32: _UINT32,
    _F.TYPE_FIXED32: _UINT32,
    _F.TYPE_INT64: _INT64,
    _F.TYPE_SINT64: _INT64,
    _F.TYPE_SFIXED64: _INT64,
    _F.TYPE_UINT64: _UINT64,
    _F.TYPE_FIXED64: _UINT64,
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}

_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {
        "type": "string",
        "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$",
        "examples": ["3600s"],
    },
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Any": {"type": "object"},
}


class Schemas:
    """Collects the component schemas that the operations refer to."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self.components: dict[str, Schema] = {}

    def of(self, descriptor: Descriptor) -> Schema:
        """Returns a reference to a message's schema, or the schema of a `google.protobuf` type."""
        known = _WELL_KNOWN.get(descriptor.full_name)
        if known is not None:
            return dict(known)
        if is_wrapper(descriptor):
            return self._element(descriptor.fields_by_name["value"])
        if descriptor.full_name not in self.components:
            # Entered before its fields are looked at, so that a type may contain itself.
            component = self.components[descriptor.full_name] = {}
            component.update(self.object(descriptor, descriptor.fields))
        return _reference(descriptor.full_name)

    def of_field(self, field: FieldDescriptor) -> Schema:
        """Returns the schema of a field, described by its comment."""
        schema = self._value(field)
        comment = self._comments.get(field.full_name)
        return {**schema, "description": comment} if comment else schema

    def object(self, descriptor: Descriptor, fields: Iterable[FieldDescriptor]) -> Schema:
        """Returns the schema of an object with these fields of a message, and no others."""
        schema: Schema = {
            "type": "object",
            "properties": {field.name: self.of_field(field) for field in fields},
            "additionalProperties": False,
        }
        comment = self._comments.get(descriptor.full_name)
        return {"description": comment, **schema} if comment else schema

    def _value(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None and is_map(field):
            value = field.message_type.fields_by_name["value"]
            return {"type": "object", "additionalProperties": self._element(value)}
        if field.is_repeated:
            return {"type": "array", "items": self._element(field)}
        return self._element(field)

    def _element(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None:
            return self.of(field.message_type)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        return dict(_SCALARS[field.type])

    def _enum(self, enum: EnumDescriptor) -> Schema:
        if enum.full_name not in self.components:
            values = [
                f"- `{value.name}`: {self._comments.get(f'{enum.full_name}.{value.name}', '')}"
                for value in enum.values
            ]
            self.components[enum.full_name] = {
                "type": "string",
                "enum": [value.name for value in enum.values],
                "description": "\n".join((self._comments.get(enum.full_name, ""), "", *values)),
            }
        return _reference(enum.full_name)


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
