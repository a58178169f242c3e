"""The shell: everything that touches the world. It observes, asks the core, and carries out what the core says."""
