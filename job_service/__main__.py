"""`python -m job_service` serves; with `migrate` it brings the database up to date.

With `check-ledger` it says whether the books are sound, and which row is not.
"""

import sys

from job_service.bootstrap import VERBS, running
from job_service.config import Settings
from servicekit.process import main

if __name__ == "__main__":
    main("job_service", Settings, running, sys.argv[1:], VERBS)
