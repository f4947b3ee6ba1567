"""Protocols without I/O, and addresses."""
