"""Ship a run's weights: `python -m training.export runs/denoiser/2-longer --score ssim=0.81`.

The run's folder is called as its recipe: `runs/` and what the recipe has after `recipes/`.

Copies the averaged weights into `weights/`, in float16, and writes where they come from into the
manifest: the recipe, the commit, the photos, torch, the last validation, and the scores that were
measured.
"""

import argparse
import csv
import datetime
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from restorecli.manifest import MANIFEST, SUFFIX, ManifestEntry, read_manifest, sha256
from restorecli.weights import METADATA_KEY, read_header

COMMENT = "# Written by training/export.py; sha256 and bytes are checked when a file is loaded."


def export(
    run: Path,
    folder: Path,
    *,
    name: str,
    data: str,
    scores: dict[str, float],
    commit: str,
    keep: float = 0.0,
) -> ManifestEntry:
    """Copy one weights file and describe it.

    Args:
        run: Folder of the run, called as its recipe, with `<name>.safetensors` and perhaps
            `log.csv`.
        folder: Of the shipped weights; its manifest is written anew with this entry.
        name: Of the network.
        data: The photos it was trained on, in words.
        scores: Measured figures by name.
        commit: Of the code that trained it.
        keep: Share of the weights in `folder` in the mean of those and the run's. A run that began
            from them and learnt one thing at the cost of another keeps most of both (Wortsman et
            al. 2022, "Robust fine-tuning of zero-shot models"). The config is then that of the
            weights in `folder`: a run may learn with windows that nobody else works with.

    Returns:
        The entry that was written.

    Raises:
        ValueError: The weights in `folder` are not of the same network.
    """
    source, target = run / f"{name}{SUFFIX}", folder / f"{name}{SUFFIX}"
    header = read_header(source)
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"kept": f"{keep} of {sha256(target)[:12]}"} if keep else {}
    _ship(source, target, keep)
    history = {
        "recipe": f"training/recipes/{run.parent.name}/{run.name}.toml",
        **kept,
        "commit": commit,
        "data": data,
        "parameters": header.parameters,
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "scores": scores | last_validation(run / "log.csv"),
    }
    entry = ManifestEntry(sha256=sha256(target), bytes=target.stat().st_size, history=history)
    write_manifest(folder, {**read_manifest(folder), name: entry})
    return entry


def _ship(source: Path, target: Path, keep: float) -> None:
    """Copy weights in float16: half the bytes, and pictures that differ by 65 dB at least."""
    values, about = _read(source)
    before, earlier = _read(target) if keep else (values, about)
    if {name: value.shape for name, value in before.items()} != {
        name: value.shape for name, value in values.items()
    }:
        raise ValueError(f"{target}: is another network than {source}")
    for name, value in values.items():
        if value.is_floating_point():
            values[name] = torch.lerp(value.float(), before[name].float(), keep).half()
    about["config"] = earlier["config"]
    save_file(values, target, {METADATA_KEY: json.dumps(about, sort_keys=True, allow_nan=False)})


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a file by name, and what its header says of them."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()[METADATA_KEY])
        return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118


def last_validation(log: Path) -> dict[str, float]:
    """The last row of a run's log, each name after `training_`; empty without a log."""
    if not log.exists():
        return {}
    with log.open(encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    return {f"training_{key}": float(value) for key, value in last.items() if key != "seconds"}


def only_network(run: Path) -> str:
    """Name of the network whose weights a run's folder holds.

    Raises:
        ValueError: There are none, or several.
    """
    names = [path.stem for path in sorted(run.glob(f"*{SUFFIX}"))]
    if len(names) != 1:
        raise ValueError(f"{run}: {len(names)} weights files; say which by --name")
    return names[0]


def head_commit() -> str:
    """Commit of this code as checked out, with `+` behind it if files differ from it."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    run = subprocess.run(command, cwd=here, check=True, capture_output=True, text=True)
    return run.stdout.strip()


def write_manifest(folder: Path, entries: Mapping[str, ManifestEntry]) -> None:
    """Write `manifest.toml`, entries in the order of their names; `read_manifest` reads it back."""
    tables = {
        name: {"sha256": entry.sha256, "bytes": entry.bytes, **entry.history}
        for name, entry in sorted(entries.items())
    }
    text = f"{COMMENT}\n\n{tomli_w.dumps(tables)}"
    (folder / MANIFEST).write_text(text, "utf-8", newline="\n")


def main() -> None:
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--name", help="network, if the run holds several")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="shipped weights")
    parser.add_argument("--data", default="3,934 free photos, listed in weights/README.md")
    parser.add_argument("--score", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--commit", help="of the code that trained; what is checked out if left out"
    )
    parser.add_argument(
        "--keep", type=float, default=0.0, metavar="SHARE", help="of the weights shipped before"
    )
    arguments = parser.parse_args()
    pairs = [score.partition("=") for score in arguments.score]
    entry = export(
        arguments.run,
        arguments.weights,
        name=arguments.name or only_network(arguments.run),
        data=arguments.data,
        scores={key: float(value) for key, _, value in pairs},
        commit=arguments.commit or head_commit(),
        keep=arguments.keep,
    )
    print(f"{entry.sha256}  {entry.bytes} bytes")


if __name__ == "__main__":
    main()
