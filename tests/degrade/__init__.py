"""Tests of degradations."""
