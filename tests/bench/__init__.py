"""Tests of the bench and its labelled sets."""
