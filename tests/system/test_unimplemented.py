"""The list of RPCs that are not built yet, in ARCHITECTURE.md, is what the services answer."""

from datetime import timedelta

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from gateway.contracts import load_contracts
from gpuaas.api.v1 import access_pb2
from gpuaas.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from local.supervisor import System
from servicekit.client import connect
from servicekit.errors import DeadlineExceeded, Failure, Kind
from tests.contract.test_architecture import unimplemented
from tests.system.conftest import Started
from tests.system.servers import SERVERS

KINDS = {False: "unary_unary", True: "unary_stream"}
FIRST_ANSWER_S, PATIENT_S = 2.0, 60.0


def patience(method: MethodDescriptor) -> float:
    """How long an answer is waited for; a stream that works may have nothing to say."""
    name = f"{method.containing_service.name}.{method.name}"
    works = method.server_streaming and name not in unimplemented()
    return FIRST_ANSWER_S if works else PATIENT_S


class Caller:
    """Calls any RPC with an empty request, as a caller whom it is open to."""

    def __init__(self, system: System) -> None:
        self._channels = {
            package: connect(system.target(name), cap=timedelta(seconds=PATIENT_S))
            for package, name in SERVERS.items()
        }
        self._passwords = {
            "CALLER_ADMIN": ("admin", system.admin_password),
            "CALLER_SERVICE": ("job-service", system.secrets.service_password.read_text()),
        }
        self._tokens: dict[str, str] = {}

    async def refusal(self, method: MethodDescriptor) -> Failure | None:
        """Returns how the RPC is refused, or None when it answers or goes on answering."""
        package = method.containing_service.file.package
        path = f"/{method.containing_service.full_name}/{method.name}"
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        open_call = getattr(self._channels[package], KINDS[method.server_streaming])
        call = open_call(path, request.SerializeToString, response.FromString)
        metadata = await self._metadata(method)
        try:
            answer = call(request(), metadata=metadata, timeout=patience(method))
            await (anext(answer, None) if method.server_streaming else answer)
        except DeadlineExceeded:
            return None
        except Failure as failure:
            return failure
        finally:
            if method.name == "Logout":
                self._tokens.clear()
        return None

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels.values():
            await channel.close()

    async def _metadata(self, method: MethodDescriptor) -> list[tuple[str, str]]:
        allowed = method.GetOptions().Extensions[access_pb2.access].allow
        names = {access_pb2.Caller.Name(caller) for caller in allowed}
        caller = next((name for name in self._passwords if name in names), None)
        return [("authorization", f"Bearer {await self._token(caller)}")] if caller else []

    async def _token(self, caller: str) -> str:
        if caller not in self._tokens:
            username, password = self._passwords[caller]
            stub = auth_service_pb2_grpc.AuthServiceStub(self._channels["gpuaas.auth.v1"])
            request = auth_service_pb2.LoginRequest(username=username, password=password)
            self._tokens[caller] = (await stub.Login(request)).access_token
        return self._tokens[caller]


async def test_the_list_is_what_the_services_answer(started: Started) -> None:
    """Nothing is missing from it, nothing on it works already; each says so with its reason."""
    caller = Caller(started.system)
    methods = [method for service in load_contracts().services for method in service.methods]
    refusals = {
        f"{method.containing_service.name}.{method.name}": await caller.refusal(method)
        for method in methods
    }
    await caller.close()
    found = {
        name: refusal
        for name, refusal in refusals.items()
        if refusal is not None and refusal.kind is Kind.UNIMPLEMENTED
    }

    assert sorted(found) == sorted(unimplemented())
    assert {"UNIMPLEMENTED"} == {refusal.reason for refusal in found.values()}
