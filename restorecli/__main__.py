"""`python -m restorecli` is the command `restore`."""

import sys

from restorecli.cli import main

if __name__ == "__main__":
    sys.exit(main())
