"""Plain files, raw and NumPy: samples of one file as they are. Those of audio and SigMF are read in the same way."""
