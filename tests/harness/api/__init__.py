"""The API server in memory, as far as the operator asks it; its faults, and the watches over it."""
