"""Knows who is who: users and their passwords, and the keys that sign access tokens."""
