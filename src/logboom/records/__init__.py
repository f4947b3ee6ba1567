"""Both halves of a record's format: from a LogRecord to a row, and from a row to bytes."""
