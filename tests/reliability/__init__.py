"""Faults, load and bad input, forced; docs/reliability.md has a row for each of these tests."""
