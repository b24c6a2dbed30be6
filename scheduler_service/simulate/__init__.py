"""The engine in virtual time: a trace of jobs against an inventory and a policy.

`python -m scheduler_service.simulate --help` says how. What decides here is the engine that decides
in the live service; this room only feeds it and keeps count.
"""
