"""What the documents say, held against the program: commands, options, code, codes and links."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from restorecli import Options, errors, record, weights
from restorecli.bench.baselines import BASELINES
from restorecli.cli.app import COMMANDS
from restorecli.options import SCALES
from restorecli.photo.formats import FORMATS
from tests.support import command_reference

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BENCHMARK = (ROOT / "docs" / "benchmark.md").read_text("utf-8")
LONGEST_LINE = 200
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS_OF_TIMES = ("", "", "twice", "", "four times")
FACTS = ("untouched", r"\*\*restore, all steps", "Gaussian blur")
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
DOCUMENTS = sorted(
    path
    for folder in (".", "docs", "weights", "training", "examples", "examples/real")
    for path in (ROOT / folder).glob("*.md")
)


def fences(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def shown_commands() -> Iterator[list[str]]:
    """Words after `restore` of every command line in README, comments left out."""
    for block in fences(README, "console"):
        for line in re.findall(r"^\$ (?:.*\| )?restore (.*)", block, re.MULTILINE):
            yield shlex.split(line.split(" > ")[0].split(" | ")[0], comments=True)


def test_readme_is_short() -> None:
    assert README.count("\n") <= 80


def test_commands_page_is_true(update_golden: bool) -> None:
    by_hand, beginning, written = COMMANDS_PAGE.read_text("utf-8").partition(
        command_reference.BEGINNING
    )
    if update_golden:
        written = command_reference.page().removeprefix(beginning)
        COMMANDS_PAGE.write_text(by_hand + beginning + written, "utf-8")
    assert beginning + written == command_reference.page(), "run: make goldens"


def test_every_command_has_help_and_is_in_readme() -> None:
    for name, command in command_reference.commands().items():
        assert command.help, name
        assert f"restore {name.split()[0]}" in README


@pytest.mark.parametrize("name", sorted(command_reference.commands()))
def test_every_option_has_help_and_is_documented(name: str) -> None:
    section = COMMANDS_PAGE.read_text("utf-8").split(f"\n## restore {name}\n")[1].split("\n## ")[0]
    for spelled, text in command_reference.rows(name):
        assert text, spelled
    for option in command_reference.options(name):
        assert re.search(rf"[`\s]{re.escape(option)}[`,\s]", section), option


@pytest.mark.parametrize("words", list(shown_commands()), ids=" ".join)
def test_command_lines_of_readme_parse(words: list[str]) -> None:
    if words[0].startswith("--"):
        return
    if words[0] not in COMMANDS:
        words = ["photo", *words]
    known = command_reference.commands()
    depth = 1 if words[0] in known else 2
    known[" ".join(words[:depth])].make_context("restore", words[depth:])


def test_python_of_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = fences(README, "python")
    degraded = ROOT / "examples" / "pairs" / "degraded" / "portrait-1.jpg"
    (tmp_path / "a.jpg").write_bytes(degraded.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "b.png").stat().st_size > 1000


def test_exit_codes_of_the_page_are_those_of_the_errors() -> None:
    codes = {0, 129, 130, 143, *(getattr(kind, "exit_code", 0) for kind in vars(errors).values())}
    rows = COMMANDS_PAGE.read_text("utf-8").split("## Exit codes\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| ([\d, ]+) \|", rows, re.MULTILINE)
    assert codes == {int(code) for cell in cells for code in cell.split(", ")}


def test_fields_of_the_page_are_those_of_the_record() -> None:
    line = record.json_line(record.failed("a.jpg", None, OSError()))
    rows = COMMANDS_PAGE.read_text("utf-8").split("## JSON\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?`) \|", rows, re.MULTILINE)
    assert [name for cell in cells for name in re.findall(r"`(\w+)`", cell)] == list(
        json.loads(line)
    )


def test_figures_belong_to_the_shipped_weights() -> None:
    assert f"`{weights.set_hash(ROOT / 'weights')}`" in BENCHMARK
    assert "{{" not in README


def test_the_three_facts_are_those_of_the_benchmark() -> None:
    scores = [re.search(rf"\| {row}[^|]*\| \**([\d.]+)", BENCHMARK) for row in FACTS]
    figures = [f"{float(score[1]):.2f}" for score in scores if score is not None]
    assert "SSIM {} → {} on 450 portraits".format(*figures) in README
    assert f"the best classical filter reaches {figures[2]}." in README
    second = re.search(r"\| all steps \| ([\d.]+) \| ([\d.]+) \|", BENCHMARK)
    assert second is not None
    portrait, megapixel = (round(float(value)) for value in second.groups())
    assert f"{megapixel} seconds a megapixel" in README
    assert f"{portrait} for a portrait of 512×512" in README
    bytes_of_weights = sum(path.stat().st_size for path in (ROOT / "weights").glob("*.safetensors"))
    assert f"{round(bytes_of_weights / 1e6)} MB of weights" in README


def test_the_first_screen_is_a_screen() -> None:
    first = README.split("\n## ")[0].splitlines()
    assert len(first) <= 35
    assert max(len(line) for line in first) <= 100


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_are_short_but_in_tables_and_code(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    for line in text.splitlines():
        assert line.startswith("|") or len(line) <= LONGEST_LINE, line


def test_what_readme_counts_is_there() -> None:
    pairs = list((ROOT / "examples" / "pairs" / "clean").iterdir())
    assert f"{NUMBERS[len(pairs)]} labelled pairs" in README
    assert f"{NUMBERS[len(weights.NETWORKS)]} networks" in README
    assert f"{NUMBERS[len(BASELINES) - 1]} classical filters" in README  # and the untouched photo
    assert (
        len(re.findall(r"^- ", README.split("## Limits")[1].split("\n## ")[0], re.MULTILINE)) == 5
    )


def test_defaults_that_readme_names() -> None:
    assert f"The result is {NUMBERS_OF_TIMES[int(Options.scale)]} the size" in README
    assert f"`--scale 0..{SCALES[-1]}`" in README
    assert f"narrower than {Options.min_face} px" in README
    assert f"threshold of {Options.face_threshold:g}" in BENCHMARK


def test_formats_of_the_page_are_those_of_the_program() -> None:
    text = (ROOT / "docs" / "photos.md").read_text("utf-8")
    for format in FORMATS.values():
        limit = "2³¹ − 1" if format.longest_side == 2**31 - 1 else f"{format.longest_side:,}"
        columns = ["kept" if yes else "no" for yes in (format.deep, format.alpha, format.documents)]
        suffixes = ", ".join(f"`{suffix}`" for suffix in format.suffixes)
        assert f"| {' | '.join([format.title, suffixes, *columns, limit])} |" in text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", path.read_text("utf-8")):
        if target.startswith("https://"):
            continue
        page = path.parent / target if target else path
        assert page.exists(), target
        assert not anchor or anchor in anchors(page), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """What headings of a page are called in links, as GitHub does it."""
    headings = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_make_help_names_every_word() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    text = "\n".join(path.read_text("utf-8") for path in DOCUMENTS)
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= described
