"""The commands of `mmv-search`, a module each. They import what is heavy only when they run, so that --help is fast."""
