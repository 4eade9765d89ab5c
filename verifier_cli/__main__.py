"""`python -m verifier_cli` is `datasigil-verify`."""

import sys

from verifier_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
