"""What the service does: commands change state, queries only read; ports say what both need."""
