"""What became of a pod, or of the wish for one: facts of the cluster become outcomes and impediments."""
