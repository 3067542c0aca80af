"""Tests of what a file holds beside its pixels."""
