"""The spool directory and its files."""
