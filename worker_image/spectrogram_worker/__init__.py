"""The worker: reads a recording, computes its spectrogram in flat memory, publishes it whole, and says how it ended."""
