"""A real node: its programs, its network, its control groups, and the images that it runs."""
