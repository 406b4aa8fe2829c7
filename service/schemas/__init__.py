"""What goes over HTTP, typed."""
