"""Everything that starts work: calls that come in, and loops that never end."""
