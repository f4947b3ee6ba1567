"""The journal: the one road from a logging call to the files."""
