"""The state machine: what is observed of a job becomes a new status and a few actions."""
