"""`python -m auth_service` serves; with `migrate` it brings the database up to date."""

import sys

from auth_service.bootstrap import running
from auth_service.config import Settings
from servicekit.process import main

if __name__ == "__main__":
    main("auth_service", Settings, running, sys.argv[1:])
