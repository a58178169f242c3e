"""The way of results to the place of their job, in a claim or in a bucket: they appear there whole or not at all."""
