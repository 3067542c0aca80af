"""Recipes: the data that says how a weights file is made, TOML → frozen dataclasses.

Unknown keys are refused, so a typo cannot pass for a setting. The recipe goes whole into the header
of the weights file.
"""

import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training: from the last phase's end up to the share `until` of all steps.

    Phases of one `until` share their stretch: they take turns, a step each.

    Attributes:
        until: Share of the steps in (0, 1]; the last phase ends at 1.
        size: Side of the square patches in pixels.
        batch: Patches a step.
    """

    until: float
    size: int
    batch: int


@dataclass(frozen=True, kw_only=True)
class SampleSource:
    """A group of photos that samples are drawn from.

    Attributes:
        sets: Top folders below the photos' folder; none means all that no other source names.
        share: Of the samples, in proportion to the other sources' shares.
        clean: Share of this group's samples that are left as they are, in place of the recipe's.
    """

    sets: tuple[str, ...] = ()
    share: float = 1.0
    clean: float


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run.

    Attributes:
        network: Name of the weights file, as in `restorecli.manifest.NETWORKS`.
        config: Sizes that differ from the network's defaults.
        seed: Of everything random.
        steps: Optimiser steps.
        phases: Patch sizes over time.
        learning_rate: Peak, after a linear warm-up; at the end a cosine down to a hundredth.
        warmup: Steps of the warm-up.
        cooldown: Share of the steps, at the end, in which the rate falls; 1 is a whole cosine.
        optimizer: "adamw", or "muon" for the kernels of convolutions and AdamW for the rest.
        weight_decay: Decoupled.
        ema: Decay of the averaged weights, which are what is exported.
        losses: Weight of each term of `training.engine.losses.picture_loss`.
        degrade: Settings that differ from `DegradeConfig`'s defaults.
        sources: Groups of photos with shares of their own; none draws from all photos alike.
        recoloured: Share of the samples whose colours are changed before they are degraded.
        enlarged: Share of the samples cut from an enlarged photo.
        reduced: Share of the samples cut from a photo made much smaller.
        start_from: Name of the weights file to start from, in the folder that `--start` names,
            or "".
        precision: "bf16" or "fp32" for the forward pass.
        validation: Held-out crops of 192² in a validation.
        options: What the task of this network wants to know besides.
    """

    network: str
    config: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    steps: int
    phases: tuple[Phase, ...]
    learning_rate: float = 1e-3
    warmup: int = 200
    cooldown: float = 1.0
    optimizer: str = "adamw"
    weight_decay: float = 1e-4
    ema: float = 0.999
    losses: dict[str, float] = field(default_factory=dict)
    degrade: dict[str, Any] = field(default_factory=dict)
    sources: tuple[SampleSource, ...] = ()
    recoloured: float = 0.0
    enlarged: float = 0.0
    reduced: float = 0.0
    start_from: str = ""
    precision: str = "bf16"
    validation: int = 24
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse phases that do not lead to the end, or that would train on nothing.

        Raises:
            ValueError: The phases' shares do not rise from above 0 to 1, or a size or a batch is
                not at least 1.
        """
        shares = [phase.until for phase in self.phases]
        if not shares or shares != sorted(shares) or shares[0] <= 0 or shares[-1] != 1:
            raise ValueError(f"the phases' `until` must rise to 1, not {shares}")
        for phase in self.phases:
            if phase.size < 1 or phase.batch < 1:
                given = f"{phase.size} and {phase.batch}"
                raise ValueError(f"a phase's size and batch must be at least 1, not {given}")

    def phase(self, step: int) -> Phase:
        """The phase that a step belongs to; of several that take turns, whose turn it is."""
        until = next(p.until for p in self.phases if step < p.until * self.steps or p.until == 1)
        sharing = [phase for phase in self.phases if phase.until == until]
        return sharing[step % len(sharing)]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the header of the weights file."""
        return asdict(self)


def read_recipe(path: Path) -> Recipe:
    """Read a TOML recipe.

    Raises:
        ValueError: A key is unknown, missing or impossible.
    """
    data = tomllib.loads(path.read_text("utf-8"))
    known = {f.name for f in fields(Recipe)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ValueError(
            f"{path.name}: unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}"
        )
    data["phases"] = tuple(Phase(**phase) for phase in data.get("phases", []))
    data["sources"] = tuple(SampleSource(**_tuples(source)) for source in data.get("sources", []))
    data["config"] = _tuples(data.get("config", {}))
    return Recipe(**data)


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
