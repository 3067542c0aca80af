"""What networks are trained on: photos, scenes, crops of faces."""
