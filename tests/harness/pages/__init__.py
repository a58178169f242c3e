"""Pages that are made of the sources, and the code in those that are written by hand."""
