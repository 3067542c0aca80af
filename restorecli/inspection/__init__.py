"""What lies over a photo: whether there is anything to restore, and at which periods and angles."""
