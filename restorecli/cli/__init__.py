"""The command `restore`; nothing is loaded before it is called."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: Words after the program's name; None takes those of the process.
    """
    from restorecli.cli.app import main as run

    return run(argv)
