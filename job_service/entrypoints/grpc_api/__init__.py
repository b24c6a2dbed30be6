"""The services of the contract over gRPC, one module each: decode, call, encode.

What is not here answers UNIMPLEMENTED.
"""
