"""The whole system on one machine: set-up, supervision and `make run`."""
