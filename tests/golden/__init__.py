"""Photos end to end against pictures that are kept here."""
