"""`python -m scheduler_service` serves; with `migrate` it brings the database up to date."""

import sys

from scheduler_service.bootstrap import running
from scheduler_service.config import Settings
from servicekit.process import main

if __name__ == "__main__":
    main("scheduler_service", Settings, running, sys.argv[1:])
