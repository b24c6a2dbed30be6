"""The rules of jobs and quota; no I/O, no clock, no randomness."""
