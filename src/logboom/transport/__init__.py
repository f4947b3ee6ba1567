"""Bytes between processes and hosts.

Owns: nothing itself; `zeromq` has the sockets. Never knows: records, journals.
"""
