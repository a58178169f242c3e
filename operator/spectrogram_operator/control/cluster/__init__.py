"""The API server: what control/ asks of it as a Protocol, and how that is asked over HTTP."""
