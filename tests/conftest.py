"""What pytest is told for all tests: options that write expected files anew or install in full."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden` and `--install-dependencies`."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write tests/golden/*.expected.png and docs/commands.md anew; look at the difference",
    )
    parser.addoption(
        "--install-dependencies",
        action="store_true",
        help="let pip install the wheel with its dependencies, as `make release-check` does",
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are to be written instead of compared."""
    return bool(request.config.getoption("--update-golden"))
