"""`kill -9` in the middle of a batch: the next run finishes it, and nothing half done stays."""

import json
from pathlib import Path

from tests.reliability.commands import LINUX, completed, photos

KILLS = 40  # about one in five meets a file that is being written


@LINUX
def test_killed_at_random_moments_and_taken_up_again(tmp_path: Path) -> None:
    photos(tmp_path / "in", 8)
    done = completed("tests.reliability.killed", [str(tmp_path), str(KILLS), "7"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [fact["signal"] for fact in facts] == [9] * KILLS
    assert all(fact["whole"] for fact in facts), "a photo that had its name was not whole"
    assert [fact["code"] for fact in facts] == [0] * KILLS
    assert all(fact["equal"] for fact in facts), "not every photo once, or something beside them"
    assert sum(fact["unfinished"] for fact in facts) > 2, "no kill came while a file was written"
    assert len({fact["done"] for fact in facts}) > 3, "the kills came all at one place"
