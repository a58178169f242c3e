"""Digital RF (MIT Haystack): a folder for each channel, with sample files in HDF5 and metadata."""
