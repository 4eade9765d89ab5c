"""`python -m training_worker`: the same as `datasigil-train`."""

from __future__ import annotations

import sys

from training_worker.main import main

if __name__ == "__main__":
    sys.exit(main())
