"""`run` and `estimate`: a job on this machine, no cluster is asked."""
