"""The outside world behind the ports: the database and the backend that executes."""
