"""How the shipped weights are made; imports the runtime, never the reverse."""
