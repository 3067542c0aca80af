"""What was asked of a batch, what was done to a photo and why, in sentences for a report."""

from restorecli.batch.record import Outcome
from restorecli.options import Options


def request(options: Options) -> list[str]:
    """What was asked for, a few words each."""
    said = [f"x{options.scale}", "steps: " + (", ".join(options.stages) or "none")]
    if "relight" in options.stages:
        said.append(f"brighten: {options.relight}")
    if "faces" in options.stages:
        said += [
            f"faces: {options.faces}",
            f"fidelity {options.fidelity:g}",
            f"faces from a score of {options.face_threshold:g} and {options.min_face} px on",
        ]
    return said


def done_and_why(outcome: Outcome, options: Options) -> list[str]:
    """What was done to a photo that was restored, a sentence each, notices last."""
    assert outcome.height is not None
    assert outcome.width is not None
    assert outcome.scale is not None
    height, width, scale = outcome.height, outcome.width, outcome.scale
    said = [
        f"{width} × {height} → {width * scale} × {height * scale} pixels "
        f"in {outcome.seconds:.1f} s on {outcome.device}, {outcome.precision}.",
        _brightness(bool(outcome.relit), options),
        _faces(outcome, options),
    ]
    return said + list(outcome.notices)


def _brightness(relit: bool, options: Options) -> str:
    if "relight" not in options.stages:
        return "Not brightened: that step was left out."
    if relit:
        return {"auto": "Brightened: it was dark.", "on": "Brightened: asked for."}[options.relight]
    if options.relight == "off":
        return "Not brightened: not asked for."
    return "Not brightened: light enough."


def _faces(outcome: Outcome, options: Options) -> str:
    if "faces" not in options.stages:
        return "Faces were not looked for: that step was left out."
    if not outcome.faces:
        return "No face was found."
    return f"{outcome.faces_restored} of {len(outcome.faces)} faces restored."
