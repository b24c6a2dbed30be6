"""What can be done, over ports that say what is needed of the outside world."""
