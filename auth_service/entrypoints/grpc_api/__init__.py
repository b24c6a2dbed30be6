"""AuthService and TokenService over gRPC: decode, call, encode."""
