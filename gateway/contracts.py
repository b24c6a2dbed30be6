"""The contracts as data: the services' descriptors, and the comments that protoc kept."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import Default

import gpuaas

DESCRIPTORS = Path(gpuaas.__path__[0]).parent / "gpuaas.binpb"
"""Written by set-up beside the stubs: every contract, with its comments."""

# Field numbers of descriptor.proto; a location's path in a file is made of them.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_FIELDS, _NESTED_MESSAGES, _NESTED_ENUMS = 2, 3, 4
_VALUES = _METHODS = 2

_Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Contracts:
    """`services` in the order of their files; `comments` by full name, without comment signs."""

    services: tuple[ServiceDescriptor, ...]
    comments: Mapping[str, str]


@cache
def load_contracts(path: Path = DESCRIPTORS) -> Contracts:
    """Returns the project's contracts, having registered all their message classes."""
    files = FileDescriptorSet.FromString(path.read_bytes()).file
    own = [file for file in files if file.package.startswith("gpuaas.")]
    for file in own:
        importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
    services = tuple(
        Default().FindServiceByName(f"{file.package}.{service.name}")
        for file in own
        for service in file.service
    )
    return Contracts(services, {name: text for file in own for name, text in comments_of(file)})


def comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yields (full name, comment) of everything in the file that has a comment."""
    names = dict(_names(file))
    for location in file.source_code_info.location:
        name = names.get(tuple(location.path))
        if name is not None and location.leading_comments:
            lines = location.leading_comments.splitlines()
            yield name, "\n".join(line.removeprefix(" ").rstrip() for line in lines).strip()


def _names(file: FileDescriptorProto) -> Iterator[tuple[_Path, str]]:
    yield from _names_of_messages(file.message_type, (_MESSAGES,), file.package)
    yield from _names_of_enums(file.enum_type, (_ENUMS,), file.package)
    for index, service in enumerate(file.service):
        path, name = (_SERVICES, index), f"{file.package}.{service.name}"
        yield path, name
        for number, method in enumerate(service.method):
            yield (*path, _METHODS, number), f"{name}.{method.name}"


def _names_of_messages(
    messages: Iterable[DescriptorProto], prefix: _Path, scope: str
) -> Iterator[tuple[_Path, str]]:
    for index, message in enumerate(messages):
        path, name = (*prefix, index), f"{scope}.{message.name}"
        yield path, name
        for number, field in enumerate(message.field):
            yield (*path, _FIELDS, number), f"{name}.{field.name}"
        yield from _names_of_messages(message.nested_type, (*path, _NESTED_MESSAGES), name)
        yield from _names_of_enums(message.enum_type, (*path, _NESTED_ENUMS), name)


def _names_of_enums(
    enums: Iterable[EnumDescriptorProto], prefix: _Path, scope: str
) -> Iterator[tuple[_Path, str]]:
    for index, enum in enumerate(enums):
        path, name = (*prefix, index), f"{scope}.{enum.name}"
        yield path, name
        for number, value in enumerate(enum.value):
            # An enum's values are named beside it in protobuf; here they stay within it.
            yield (*path, _VALUES, number), f"{name}.{value.name}"
