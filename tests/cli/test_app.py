"""Tests of the words on the command line: which command, which error, which exit code."""

import io
import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Annotated

import pytest
import typer

import restorecli
from restorecli.cli import app, main, options
from restorecli.errors import PlanError
from restorecli.manifest import set_hash
from restorecli.options import STAGES, Options, RunOptions
from tests.support import command_reference


def test_commands_are_frozen(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.COMMANDS == ("photo", "inspect", "batch", "bench", "degrade", "weights", "doctor")
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"│ {command} " in shown for command in app.COMMANDS)
    assert all(main([command, "-h"]) == 0 for command in app.COMMANDS)


def test_help_starts_with_three_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-h"]) == 0
    shown = capsys.readouterr().out
    places = [
        shown.index("restore photo.jpg -o out.png"),
        shown.index("restore batch folder/ -o restored/ --device cuda"),
        shown.index("restore bench --metric ssim"),
        shown.index("Options"),
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("command", ["photo", "batch"])
def test_options_stand_in_panels(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    for panel in (options.OUTPUT, options.PICTURE, options.FACES, options.SPEED, options.MESSAGES):
        assert f"─ {panel} ─" in shown


def test_no_words_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) in (0, 2)
    captured = capsys.readouterr()
    assert "Usage: restore" in captured.out + captured.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    torch = metadata.version("torch")
    expected = f"restore {restorecli.__version__} (torch {torch}, weights {set_hash()})\n"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(("folder", "shown"), [("", "none"), ("missing", "not found")])
def test_version_without_weights(
    folder: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path / folder))
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.endswith(f", weights {shown})\n")


def test_version_without_an_installation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def version(name: str) -> str:
        if name == "restorecli":
            raise metadata.PackageNotFoundError
        return "1.2"

    monkeypatch.setattr(metadata, "version", version)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"restore unknown (torch 1.2, weights {set_hash()})\n"


@pytest.mark.parametrize(
    ("words", "reached"),
    [
        (["a.jpg"], ["photo", "a.jpg"]),
        (["-"], ["photo", "-"]),
        (["./batch", "-q"], ["photo", "./batch", "-q"]),
        (["--scale", "1", "a.jpg"], ["photo", "--scale", "1", "a.jpg"]),
        (["photo", "a.jpg"], ["photo", "a.jpg"]),
        (["batch", "a.jpg"], ["batch", "a.jpg"]),
        (["--version"], ["--version"]),
    ],
)
def test_a_first_word_that_is_no_command_is_a_photo(
    words: list[str], reached: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(app, "app", lambda *, args, prog_name: calls.append(args))
    assert main(words) == 0
    assert calls == [reached]


def test_words_come_from_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(app, "app", lambda *, args, prog_name: calls.append(args))
    monkeypatch.setattr(sys, "argv", ["restore", "a.jpg"])
    assert main() == 0
    assert calls == [["photo", "a.jpg"]]


@pytest.mark.parametrize(
    ("word", "meant"), [("bacth", "batch"), ("benhc", "bench"), ("dcotor", "doctor")]
)
def test_a_mistyped_command_gets_a_suggestion(
    word: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word, "x"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    expected = f"restore: {word}: no such file or command. Did you mean `restore {meant}`?\n"
    assert captured.err == expected


def test_a_file_named_like_a_command_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bacth").touch()
    calls: list[list[str]] = []
    monkeypatch.setattr(app, "app", lambda *, args, prog_name: calls.append(args))
    assert main(["bacth"]) == 0
    assert calls == [["photo", "bacth"]]


def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["photo"]) == 2
    assert main(["photo", "a.jpg", "--no-such-option"]) == 2
    assert main(["photo", "a.jpg", "--quality", "0"]) == 2
    assert main(["batch", "in", "-o", "out", "--jobs", "0"]) == 2
    assert main(["batch", "in"]) == 2
    assert "--output" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (["--scale", "5"], "scale 5: "),
        (["--scale", "0"], "scale 0: "),
        (["--to", "0"], "to 0: "),
        (["--to", "64", "--scale", "3"], "--scale 3 and --to 64 contradict each other. Use one."),
        (["--scale", "2", "--to", "64"], "--scale 2 and --to 64 contradict each other. Use one."),
        (["--to", "64", "-s", "2.0"], "--scale 2 and --to 64 contradict each other. Use one."),
        (["--faces", "all", "--no-faces"], "--no-faces and --faces all contradict each other"),
        (["--stages", "denoise,polish"], "stage polish: unknown. Use some of: relight, "),
        (["--fidelity", "1.5"], "fidelity 1.5: "),
        (["--face-threshold", "0"], "face threshold 0: "),
        (["--faces", "biggest"], "faces 'biggest': "),
        (["--tile", "8"], "tile 8: "),
        (["--no-faces", "--faces", "0"], "--no-faces and --faces 0 contradict each other"),
        (["--no-faces", "--min-face", "9"], "--no-faces and --min-face 9 contradict each other"),
        (["-q", "-v"], "--quiet and --verbose contradict each other"),
        (["--stages", "denoise", "--fidelity", "0.3"], "--fidelity 0.3: is about faces, a step "),
        (["--stages", "denoise", "--relight", "on"], "--relight on: is about relight, a step "),
        (["--stages", "faces", "--denoise", "on"], "--denoise on: is about denoise, a step that "),
        (["--stages", "denoise", "--best"], "--best: is about refine, a step that --stages "),
        (["--scale", "much"], "--scale much: is not one of its values. Use a number above 0 "),
        (["--face-threshold", "x"], "--face-threshold x: is not one of its values. Use a number a"),
    ],
)
@pytest.mark.parametrize(
    "command", [["a.jpg"], ["a.jpg", "b.jpg", "-o", "out"], ["batch", "in", "-o", "out"]]
)
def test_words_that_do_not_fit_are_refused(
    command: list[str], words: list[str], fact: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"restore: {fact}")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "a.jpg --scale 2x",
            "--scale 2x: is not one of its values. Use a number above 0 and at most 4.",
        ),
        ("a.jpg --relight yes", "--relight yes: is not one of its values. Use auto, on or off."),
        (
            "a.jpg --strength half",
            "--strength half: is not one of its values. Use a number from 0 ",
        ),
        ("a.jpg --quality 0", "--quality 0: is not one of its values. Use a number from 1 to 100."),
        ("a.jpg --min-face -1", "--min-face -1: is not one of its values. Use a whole number from"),
        ("a.jpg --tile 1.5", "--tile 1.5: is not one of its values. Use a whole number."),
        (
            "degrade in -o out --max-ssim half",
            "--max-ssim half: is not one of its values. Use a number above 0.08 and at most 1.",
        ),
        ("batch in -o out -j two", "--jobs two: is not one of its values. Use a whole number from"),
        ("batch in", "--output: is missing. See: restore batch -h"),
        ("photo", "PHOTO: is missing. See: restore photo -h"),
        ("a.jpg --format webp", "--format: no such option. Did you mean --ext? See: restore photo"),
        ("a.jpg --force", "--force: no such option. Did you mean --overwrite? See: restore photo"),
        ("a.jpg --sclae 2", "--sclae: no such option. Did you mean --scale? See: restore photo -h"),
        ("a.jpg --wobble", "--wobble: no such option. See: restore photo -h"),
        ("a.jpg --scale", "--scale: needs a value. See: restore"),
        ("a.jpg --json=3", "--json: does not take a value. See: restore"),
        ("doctor now", "now: more words than it takes. See: restore doctor -h"),
        ("weights lst", "lst: no such command. See: restore weights -h"),
    ],
)
def test_words_that_do_not_fit_are_one_line(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"restore: {said}")
    assert captured.err.count("\n") == 1


def test_switches_have_no_type_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], *(name.split() for name in command_reference.commands()), ["weights"]):
        assert main([*words, "--help"]) == 0
    assert "bool" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["-dash.png"], ["photo", "-dash.png"], ["batch", "-dash.png", "-o", "out"]]
)
def test_a_name_that_begins_with_a_dash(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-dash.png").touch()
    assert main(words) == 2
    said = "restore: -dash.png: begins with a dash, as options do. Write ./-dash.png\n"
    assert capsys.readouterr().err == said


def built(*words: str) -> tuple[object, ...]:
    """What a command gets that takes all kinds of parameters; nothing if it is refused."""
    found: list[object] = []

    @options.takes_fields
    def command(
        name: str,
        *,
        overwrite: bool = False,
        own: Annotated[int, typer.Option("--own")] = 3,
        options: Annotated[Options, "tile", "scale", "stages"],
        run: RunOptions,
    ) -> None:
        found.extend((name, overwrite, own, options, run))

    program = typer.Typer()
    program.command()(command)
    with pytest.raises(SystemExit):
        program(args=list(words))
    return tuple(found)


def test_untouched_options_are_the_defaults() -> None:
    assert built("a") == ("a", False, 3, Options(), RunOptions())


def test_a_command_gets_whole_objects() -> None:
    words = "--scale 4 --stages faces,denoise --jobs 7 -d cpu --own 5 --overwrite"
    options = Options(scale=4, stages=("denoise", "faces"))
    assert built("a", *words.split()) == ("a", True, 5, options, RunOptions(device="cpu", jobs=7))
    assert built("a", "--fidelity", "0") == ()  # not among those it asks for


def test_options_stand_in_the_order_of_their_table() -> None:
    names = [
        [parameter.name for parameter in command.params if parameter.name in options.OPTIONS]
        for command in command_reference.commands().values()
    ]
    places = [[list(options.OPTIONS).index(name) for name in found] for found in names]
    assert any(places)
    assert all(found == sorted(found) for found in places)


def test_no_faces_takes_the_step_out() -> None:
    stages = options.without_faces(Options(), no_faces=True).stages
    assert stages == ("relight", "denoise", "refine", "upscale")
    assert options.without_faces(Options(), no_faces=False) == Options()


def test_stages_come_out_in_their_order() -> None:
    assert options.parse_stages(" faces , denoise,faces") == ("denoise", "faces")
    assert options.parse_stages(",".join(STAGES)) == STAGES
    with pytest.raises(PlanError, match="stage x: unknown"):
        options.parse_stages("denoise,x")


class ClosedPipe(io.TextIOWrapper):
    """Standard output whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_closed_pipe_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", ClosedPipe(io.BytesIO(), encoding="utf-8"))
    assert main(["--version"]) == 1
    monkeypatch.undo()
    assert capsys.readouterr().err == ""


def test_names_that_no_terminal_can_show_do_not_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stderr", shown)
    assert main(["batc한"]) == 2
    shown.flush()
    assert b"batc\\ud55c: no such file" in getvalue(shown)


def getvalue(stream: io.TextIOWrapper) -> bytes:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


def fresh(*words: str) -> float:
    """Seconds that a fresh interpreter takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True, env=os.environ)
    return time.perf_counter() - began


@pytest.mark.slow
def test_help_is_three_times_as_fast_as_pytorch() -> None:
    shown = min(fresh("-m", "restorecli", "--help") for _ in range(3))
    assert 3 * shown <= min(fresh("-c", "import torch") for _ in range(3))


def test_torch_stays_unloaded() -> None:
    fresh("-c", "import sys, restorecli.cli; assert 'torch' not in sys.modules")
