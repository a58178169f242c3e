"""The arrays, in the file formats that NumPy, Zarr and HDF5 read, and what they say about themselves."""
