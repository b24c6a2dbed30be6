"""Everything that starts work: calls over gRPC, and the loops to and from the scheduler."""
