"""AuthService over gRPC, put together from its areas."""

from auth_service.entrypoints.grpc_api.accounts import Accounts
from auth_service.entrypoints.grpc_api.administration import Administration
from auth_service.entrypoints.grpc_api.api_keys import ApiKeys
from auth_service.entrypoints.grpc_api.sessions import Sessions
from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceServicer


class AuthApi(Accounts, Sessions, ApiKeys, Administration, AuthServiceServicer):
    """Serves AuthService; the contract in `protos` says what each method promises."""
