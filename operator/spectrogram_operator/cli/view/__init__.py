"""`view`: fetches results from where they are, and shows the picture."""
