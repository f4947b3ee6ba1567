"""Where a collector's records come from."""
