"""Tests of pages and pictures for people."""
