"""Everything that starts work: calls over gRPC, and the first start on an empty database."""
