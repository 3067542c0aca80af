"""Drawn truth: pictures of things that look periodic and yet belong to a photo.

Pages of text, screens, music, plans, cloth, bricks, blinds, ...: whoever removes repeating patterns
must leave these alone. Each picture comes from (seed, index) alone, given the same fonts and the
same background photos. `kinds` lists what is drawn, `python -m training.drawn` writes a folder.
"""
