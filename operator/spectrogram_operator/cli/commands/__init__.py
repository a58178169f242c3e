"""The commands that ask a cluster, and what they print: pure functions of jobs and now, and the calls around them."""
