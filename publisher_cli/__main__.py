"""`python -m publisher_cli` is `datasigil`."""

import sys

from publisher_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
