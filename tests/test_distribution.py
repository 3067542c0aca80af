"""What is published: built as pip builds it, installed alone, used as a stranger to the machine.

Here the installed package borrows its dependencies from the environment of the tests, which is
quick; `make release-check` passes `--install-dependencies`, and pip fetches them.
"""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from PIL import Image

import restorecli
from restorecli.manifest import NETWORKS, set_hash
from tests.support.fake_restorer import picture

ROOT = Path(__file__).parents[1]
STRANGER = "4711"  # a user that no list of users names
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="users of Linux")
NO_OVERRIDE = "--bounding-set=-dac_override,-dac_read_search,-fowner"


@dataclass(frozen=True, kw_only=True)
class Installed:
    """The package, alone in an environment of its own, which cannot be written to.

    Attributes:
        bin: Where its commands are.
        packages: Its site-packages.
        work: A folder that anybody may write to.
    """

    bin: Path
    packages: Path
    work: Path

    def run(self, *words: str, script: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, or a script in a shell, as a stranger, offline."""
        command = [str(self.bin / words[0]), *words[1:]] if script is None else [*words, script]
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": "/nonexistent", "OMP_NUM_THREADS": "1", "LANG": "C"}
        return subprocess.run(
            [*without_rights(self.bin), *command],
            cwd=self.work,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=300,
        )


def without_rights(folder: Path) -> list[str]:
    """Words before a command that take root's rights away: its user, if strangers get to Python."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed, and root may write everywhere")
    interpreter = (folder / "python").resolve()
    used = [interpreter, *map(Path, {sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")})]
    open_to_all = all(
        parent.stat().st_mode & stat.S_IXOTH for path in used for parent in path.resolve().parents
    )
    if not open_to_all:
        return ["setpriv", NO_OVERRIDE]
    return ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]


def call(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    call([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT])
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, request: pytest.FixtureRequest) -> Iterator[Installed]:
    """The wheel in an empty environment, which nobody may write to any more."""
    with tempfile.TemporaryDirectory(prefix="restore-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        root.chmod(0o755)
        install(next(built.glob("*.whl")), root / "env", request)
        work = root / "work"
        work.mkdir()
        work.chmod(0o1777)
        (packages,) = (root / "env").glob("lib/python*/site-packages")
        freeze(root / "env", writable=False)
        yield Installed(bin=root / "env" / "bin", packages=packages, work=work)
        freeze(root / "env", writable=True)


def install(wheel: Path, environment: Path, request: pytest.FixtureRequest) -> None:
    """Install the wheel, with pip's dependencies or with those of the tests."""
    complete = request.config.getoption("--install-dependencies")
    call([sys.executable, "-m", "venv", "--without-pip", environment])
    python = str(environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install"]
    if complete:
        call([*pip, "--quiet", "--constraint", str(ROOT / "constraints.txt"), str(wheel)])
        return
    call([*pip, "--quiet", "--no-index", "--no-deps", str(wheel)])
    (packages,) = environment.glob("lib/python*/site-packages")
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n")


def freeze(folder: Path, *, writable: bool) -> None:
    """Take the right to write away from everybody, or give it back to the owner."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode) & ~0o222
            path.chmod(mode | 0o200 if writable else mode)


def test_the_sdist_has_all_that_the_wheel_is_made_of(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "weights/manifest.toml"}
    needed |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "restorecli").rglob("*.py")}
    needed |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert needed <= names
    assert not [name for name in names if name.startswith((".venv", "runs/", "tests/out"))]


def test_the_wheel_says_what_it_is(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = archive.read(name).decode()
    for line in ("Name: restorecli", "License-Expression: MIT", "Requires-Python: >=3.11"):
        assert line in said.splitlines()
    assert f"Version: {metadata.version('restorecli')}" in said.splitlines()


@LINUX
def test_a_stranger_restores_a_photo(installed: Installed) -> None:
    """Without a home, without a network, and nothing can be written but the result."""
    picture(installed.work / "a.png", height=48, width=40)
    (installed.work / "a.png").chmod(0o444)
    run = installed.run("restore", "a.png", "-o", "b.png", "--scale", "1")
    assert run.returncode == 0, run.stderr
    assert run.stdout == "b.png\n"
    with Image.open(installed.work / "b.png") as result:
        assert result.size == (40, 48)
    where = "import restorecli; print(restorecli.__file__)"
    assert installed.run("python", "-c", where).stdout.startswith(str(installed.packages))
    probe = f"open({str(installed.packages / 'probe')!r}, 'w')"
    assert "PermissionError" in installed.run("python", "-c", probe).stderr


@LINUX
def test_a_stranger_asks_what_there_is(installed: Installed) -> None:
    version = installed.run("restore", "--version")
    said = f"torch {metadata.version('torch')}, weights {set_hash()}"
    assert version.stdout == f"restore {restorecli.__version__} ({said})\n"
    verified = installed.run("restore", "weights", "verify")
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.count(" ok ") == len(NETWORKS)
    doctor = installed.run("restore", "doctor")
    assert doctor.returncode == 0, doctor.stdout
    bench = installed.run("restore", "bench", "--limit", "1", "--stages", "denoise")
    assert bench.returncode == 0, bench.stderr


COMPLETIONS = {"restore ba": "batch", "restore batch --over": "--overwrite",
               "restore weights ve": "verify"}  # fmt: skip
BASH = r"""
eval "$(restore --show-completion)"
complete -p restore >&2
for line in "restore ba" "restore batch --over" "restore weights ve"; do
    COMP_WORDS=($line); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    _restore_completion restore
    echo "$line: ${COMPREPLY[*]}"
done
"""
FISH = r"""
restore --show-completion | source
for line in "restore ba" "restore batch --over" "restore weights ve"
    echo "$line: "(complete -C $line | string split \t)[1]
end
"""
ZSH = r"""
zmodload zsh/zpty
zpty -b shell 'TERM=dumb zsh -f -i'
zpty -w shell 'PS1= PS2= RPS1=; unsetopt prompt_cr prompt_sp; bindkey -e'
zpty -w shell 'autoload -Uz compinit; compinit -u -D; eval "$(restore --show-completion)"'
zpty -w shell 'echo REA""DY'
zpty -r shell said '*READY*'
for line in "restore ba" "restore batch --over" "restore weights ve"; do
    zpty -w -n shell "$line"$'\t\C-aecho "GIVES:" \n'
    zpty -r shell said $'*\nGIVES: *\n*'
    print -r -- "$line: ${${${said##*GIVES: }%%[[:cntrl:]]*}##* }"
done
"""


@LINUX
@pytest.mark.parametrize(
    ("words", "script"),
    [
        (["bash", "--norc", "-c"], BASH),
        (["zsh", "-f", "-c"], ZSH),
        (["fish", "--no-config", "-c"], FISH),
    ],
    ids=["bash", "zsh", "fish"],
)
def test_completion_works_in_a_real_shell(
    words: list[str], script: str, installed: Installed
) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    run = installed.run(*words, script=script)
    expected = [f"{line}: {word}" for line, word in COMPLETIONS.items()]
    assert run.stdout.splitlines() == expected, run.stderr
