"""`spectrogram`, also installed as `kubectl spectrogram`: what people type."""
