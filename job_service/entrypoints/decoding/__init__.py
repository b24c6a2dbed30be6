"""From the contract's messages to what the application takes; refuses what makes no sense."""
