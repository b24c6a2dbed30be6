"""From jobs and quota to the contract's messages."""
