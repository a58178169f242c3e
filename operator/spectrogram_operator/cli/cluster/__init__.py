"""The cluster as the commands see it: which one is meant, what is asked of it, and its refusals in words."""
