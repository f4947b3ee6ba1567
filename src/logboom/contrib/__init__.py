"""Thin adapters: designs that people know, by their names."""
