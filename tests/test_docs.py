"""What the documents say, held against the program: commands, options, code, codes and links."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from restorecli import errors, weights
from restorecli.cli.app import COMMANDS
from tests.support import command_reference

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
DOCUMENTS = sorted(
    path
    for folder in (".", "docs", "weights", "training", "examples")
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
    assert README.count("\n") <= 150


def test_commands_page_is_true(update_golden: bool) -> None:
    if update_golden:
        COMMANDS_PAGE.write_text(command_reference.page(), "utf-8")
    assert COMMANDS_PAGE.read_text("utf-8") == command_reference.page(), "run: make goldens"


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


def test_exit_codes_of_readme_are_those_of_the_errors() -> None:
    codes = {0, 130, 143, *(getattr(kind, "exit_code", 0) for kind in vars(errors).values())}
    shown = re.search(r"Exit codes: (.*?)\n\n", README, re.DOTALL)
    assert shown is not None
    assert codes == {int(code) for code in re.findall(r"\b(\d+)\b", shown[1])}


def test_figures_of_readme_belong_to_the_shipped_weights() -> None:
    assert f"`{weights.set_hash(ROOT / 'weights')}`" in README
    assert "{{" not in README


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text("utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), target


def test_make_help_names_every_word() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    text = "\n".join(path.read_text("utf-8") for path in DOCUMENTS)
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= described
