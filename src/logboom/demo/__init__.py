"""The demonstration: processes that log to one set and are killed, and the count of what arrived.

Owns: the traffic, the kills, the count and the table; it uses handlers through `logging.config` alone.
Never knows: the journal's format, the collector's insides.
"""
