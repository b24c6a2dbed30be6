"""What the service does with its domain: commands change state, queries only read."""
