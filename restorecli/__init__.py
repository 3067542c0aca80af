"""Restore photographs of people from strong repeating-pattern noise."""
