"""Samples as they lie in files, in every format: what their bytes mean, and how they are read, segment by segment."""
