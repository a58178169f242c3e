"""WAV, RF64, W64 and FLAC, read by libsndfile."""
