"""One process's side of the journal."""
