"""Tests of training tasks."""
