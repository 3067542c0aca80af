"""Faces of a photo: found, aligned, restored, pasted back."""
