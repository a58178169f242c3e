"""WAV, RF64, BW64 and W64, read here; FLAC, µ-law and A-law, read by libsndfile."""
