"""The picture: the spectrogram reduced to cells, and drawn with axes, ticks and colours."""
