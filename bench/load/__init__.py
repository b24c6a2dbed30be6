"""Load for a server under measurement, from a process of its own and as cheap as Python allows.

A gRPC client library costs as much for a call as the server does, and on a small machine it would
be measured along with it. What is sent here is prepared once; for each call only its request id is
new.
"""
