"""What comes back from an engine: immutable records of numpy arrays, and their file format."""
