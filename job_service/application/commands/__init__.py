"""What changes jobs and quota. Each command is one transaction: all of it or nothing."""
