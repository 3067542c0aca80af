"""Tests of measurements and ablations."""
