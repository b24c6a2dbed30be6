"""The outside world behind the application's ports: tables, password hashing, signatures."""
