"""Tests; `check` is the run-time type checker that pytest puts on every function of the package."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as PEP 484 has it
