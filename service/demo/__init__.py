"""The demo library's clips (`library/`), taken in by `mmv-search demo` like any other film."""
