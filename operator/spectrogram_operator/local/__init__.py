"""A cluster of one machine, for `spectrogram run`: jobs in memory, pods as child processes, folders as claims.

It stands where `control` has an API server, behind the same protocols; what is decided is decided by the same core.
"""
