"""The spool directory and what lies in it."""
