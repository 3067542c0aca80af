"""Tests of finding and restoring faces."""
