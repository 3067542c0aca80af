"""Tests of reading and writing photos."""
