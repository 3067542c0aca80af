"""The command in a network namespace of its own, without even a loopback that is up."""

import ctypes
import os
import sys

from restorecli.cli import main

CLONE_NEWNET = 0x40000000
NO_RIGHT = 77

if __name__ == "__main__":
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        sys.stderr.write(os.strerror(ctypes.get_errno()))
        sys.exit(NO_RIGHT)
    sys.exit(main())
