"""The programs of others that tests run: where they come from, and how one runs in the background."""
