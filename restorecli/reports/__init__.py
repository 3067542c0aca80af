"""Pages and pictures for people: before and after, a batch, a bench."""
