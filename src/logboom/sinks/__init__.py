"""Where a collector's records go."""
