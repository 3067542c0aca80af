"""From words on the command line to what is to be done, and what is refused on the way."""
