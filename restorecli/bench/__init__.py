"""How well photos are restored: labelled sets, scores, classical rivals."""
