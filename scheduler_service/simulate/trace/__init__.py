"""Traces of jobs: what they are in memory, and the formats that they are read from."""
