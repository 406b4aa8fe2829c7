"""Media: where files are kept, and the confined child process in which they are decoded."""
