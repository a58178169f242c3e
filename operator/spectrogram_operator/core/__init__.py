"""The decisions, as pure functions of what was observed and of `now`. No I/O, no clock, no randomness."""
