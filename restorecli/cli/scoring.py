"""The run behind the command `bench`: networks, the pairs on a bar, and what was measured on."""

from collections.abc import Sequence
from pathlib import Path

import typer

from restorecli import manifest, weights
from restorecli.bench import measure, speed, table
from restorecli.bench.measure import Bench, Setting, Watch
from restorecli.cli import progress
from restorecli.options import Options, RunOptions, Stage
from restorecli.photo.files import replace_file
from restorecli.pipeline import PRECISION_NAMES, Restorer


def measured(
    dataset: Path | None,
    options: Options,
    run: RunOptions,
    *,
    metrics: Sequence[str],
    stages: Sequence[tuple[Stage, ...]],
    limit: int | None,
    watch: Watch | None,
    quiet: bool,
) -> Bench:
    """Load the networks and score them; arguments and errors as of `measure.run_bench`.

    Args:
        dataset: None for the shipped examples.
        options: See `measure.run_bench`.
        run: Where it is computed.
        metrics: See `measure.run_bench`.
        stages: See `measure.run_bench`.
        limit: See `measure.run_bench`.
        watch: See `measure.run_bench`.
        quiet: No bar.
    """
    restorer = Restorer.load(device=run.device, precision=run.precision)
    return measure.run_bench(
        dataset or manifest.example_pairs_folder(),
        restorer,
        setting=Setting(
            weights=weights.set_hash(),
            device=str(restorer.device),
            precision=PRECISION_NAMES[restorer.precision],
        ),
        metrics=metrics,
        stages=stages,
        options=options,
        limit=limit,
        progress=lambda pairs: progress.followed(pairs, len(pairs), unit="pair", quiet=quiet),
        watch=watch,
    )


def present(result: Bench, csv: Path | None, *, overwrite: bool, as_json: bool) -> None:
    """Print the table, and write every score to a file, whole or not at all."""
    typer.echo(table.to_json(result) if as_json else table.to_text(result), nl=False)
    if csv is not None:
        content = table.to_csv(result).encode()
        replace_file(csv, lambda file: file.write(content), overwrite=overwrite)


def time_sizes(run: RunOptions, *, sizes: int | None, as_json: bool, quiet: bool) -> None:
    """Time the command, and print the table; arguments and errors as of `speed.measure_speed`."""

    def tell(what: str) -> None:
        if not quiet:
            typer.echo(f"timing {what}", err=True)

    spell = speed.to_json if as_json else speed.to_text
    typer.echo(spell(*speed.measure_speed(run, sizes=sizes, tell=tell)), nl=False)
