"""The log set: the live file and its backups."""
