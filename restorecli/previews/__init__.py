"""Small pictures of what was done to a photo, for pages and folders."""
