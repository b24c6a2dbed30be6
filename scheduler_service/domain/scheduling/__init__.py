"""The scheduling engine: events in, decisions out, the same on every machine.

Times are whole microseconds since the epoch of whoever feeds it. Nothing here reads a clock, draws
chance that is not seeded, or depends on the order of a hash table.
"""
