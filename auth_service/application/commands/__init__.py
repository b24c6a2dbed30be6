"""Everything that changes state. A command runs in the writer, in its group's transaction."""
