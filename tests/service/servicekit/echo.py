"""A small service to test servicekit with; its contract is built here and needs no protos."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "servicekit.test.v1"
_CALLERS = ("UNSPECIFIED", "PUBLIC", "USER", "ADMIN", "SERVICE")
_METHODS = {
    # name: (who may call, answers in a stream, asks in a stream, reads only)
    "Say": (("USER", "ADMIN"), False, False, True),
    "Change": (("USER", "ADMIN"), False, False, False),
    "Greet": (("PUBLIC",), False, False, True),
    "Rule": (("ADMIN",), False, False, True),
    "Forgotten": ((), False, False, True),
    "Watch": (("USER", "SERVICE"), True, False, True),
    "Collect": (("USER",), False, True, False),
    "Chat": (("USER",), True, True, False),
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="servicekit/test/v1/echo.proto",
        package=PACKAGE,
        syntax="proto3",
        dependency=["google/protobuf/descriptor.proto"],
    )
    caller = file.enum_type.add(name="Caller")
    for number, name in enumerate(_CALLERS):
        caller.value.add(name=f"CALLER_{name}", number=number)
    access = file.message_type.add(name="Access")
    access.field.add(
        name="allow", number=1, label=3, type=field.TYPE_ENUM, type_name=f".{PACKAGE}.Caller"
    )
    access.field.add(name="before_password_change", number=2, label=1, type=field.TYPE_BOOL)
    file.extension.add(
        name="access",
        number=50999,
        label=1,
        type=field.TYPE_MESSAGE,
        type_name=f".{PACKAGE}.Access",
        extendee=".google.protobuf.MethodOptions",
    )
    for name in ("EchoRequest", "EchoResponse"):
        message = file.message_type.add(name=name)
        message.field.add(name="text", number=1, label=1, type=field.TYPE_STRING)
        message.field.add(name="count", number=2, label=1, type=field.TYPE_INT32)
    return file


def _add_service(file: descriptor_pb2.FileDescriptorProto, access: Any, access_type: Any) -> None:
    service = file.service.add(name="EchoService")
    early = {"Change"}
    for name, (callers, server_streaming, client_streaming, reads) in _METHODS.items():
        method = service.method.add(
            name=name,
            input_type=f".{PACKAGE}.EchoRequest",
            output_type=f".{PACKAGE}.EchoResponse",
            server_streaming=server_streaming,
            client_streaming=client_streaming,
        )
        if reads:
            method.options.idempotency_level = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
        if callers:
            allow = [_CALLERS.index(caller) for caller in callers]
            method.options.Extensions[access].CopyFrom(
                access_type(allow=allow, before_password_change=name in early)
            )


def _load() -> tuple[Any, Any, Any, Any]:
    pool = descriptor_pool.Default()
    pool.Add(_file())
    messages = pool.FindFileByName("servicekit/test/v1/echo.proto")
    access = messages.extensions_by_name["access"]
    file = descriptor_pb2.FileDescriptorProto(
        name="servicekit/test/v1/echo_service.proto",
        package=PACKAGE,
        syntax="proto3",
        dependency=["servicekit/test/v1/echo.proto"],
    )
    types = {
        name: message_factory.GetMessageClass(messages.message_types_by_name[name])
        for name in ("Access", "EchoRequest", "EchoResponse")
    }
    _add_service(file, access, types["Access"])
    pool.Add(file)
    service = pool.FindServiceByName(f"{PACKAGE}.EchoService")
    return access, service, types["EchoRequest"], types["EchoResponse"]


ACCESS, SERVICE, EchoRequest, EchoResponse = _load()


def path(method: str) -> str:
    """Returns a method's full name on the wire."""
    return f"/{SERVICE.full_name}/{method}"


def raw(channel: Any, method: str) -> Any:
    """Returns a method that sends and receives bytes."""
    return channel.unary_unary(path(method))


class EchoServicer:
    """Echoes; a test replaces a method by setting the attribute to a function of its own."""

    def __init__(self, **methods: Callable[..., Any]) -> None:
        self.methods: dict[str, Callable[..., Any]] = {
            "Say": echo,
            "Change": echo,
            "Greet": echo,
            "Rule": echo,
            "Forgotten": echo,
            "Watch": count,
            "Collect": collect,
            "Chat": chat,
            **methods,
        }


async def read_to_its_end(stream: AsyncIterator[Any]) -> None:
    """Reads whatever comes; what ends the stream is raised."""
    async for _ in stream:
        pass


async def echo(request: Any, context: Any) -> Any:
    """Answers with what was asked."""
    return EchoResponse(text=request.text, count=request.count)


async def count(request: Any, context: Any) -> AsyncIterator[Any]:
    """Answers with the numbers up to the count."""
    for number in range(request.count):
        yield EchoResponse(text=request.text, count=number)


async def collect(requests: AsyncIterator[Any], context: Any) -> Any:
    """Answers with all texts in one."""
    return EchoResponse(text=" ".join([request.text async for request in requests]))


async def chat(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
    """Answers each request as it comes."""
    async for request in requests:
        yield EchoResponse(text=request.text)


def register(servicer: EchoServicer, server: grpc.aio.Server) -> None:
    """Adds the servicer, as generated code would."""
    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.unary_stream_rpc_method_handler,
        (False, True): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    handlers = {
        name: kinds[answers, asks](
            servicer.methods[name],
            request_deserializer=EchoRequest.FromString,
            response_serializer=EchoResponse.SerializeToString,
        )
        for name, (_, answers, asks, _) in _METHODS.items()
    }
    generic = grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)
    server.add_generic_rpc_handlers((generic,))
    server.add_registered_method_handlers(SERVICE.full_name, handlers)


class EchoStub:
    """Calls the service over any channel, as generated code would."""

    def __init__(self, channel: Any) -> None:
        kinds = {
            (False, False): channel.unary_unary,
            (True, False): channel.unary_stream,
            (False, True): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        for name, (_, answers, asks, _) in _METHODS.items():
            method = kinds[answers, asks](
                path(name),
                request_serializer=EchoRequest.SerializeToString,
                response_deserializer=EchoResponse.FromString,
            )
            setattr(self, name, method)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)
