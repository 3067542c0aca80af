"""One task a network: its batches, its loss, its score."""
