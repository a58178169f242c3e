"""SigMF: a file of samples and a .sigmf-meta file that describes it, side by side or in a tar archive."""
