"""`python -m verifier_cli` is `datasigil-verify`."""

import sys

from verifier_cli.main import program

if __name__ == "__main__":
    sys.exit(program())
