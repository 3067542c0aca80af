"""Many photos: a plan, this process or a cluster, what became of each; files or objects."""
