"""`python -m auth_service` serves; with `migrate` it brings the database up to date.

Further verbs: `rotate-keys`, `verify-audit` and `import-users FILE`; each says more with `--help`.
"""

import sys

from auth_service.bootstrap import VERBS, running
from auth_service.config import Settings
from servicekit.process import main

if __name__ == "__main__":
    main("auth_service", Settings, running, sys.argv[1:], VERBS)
