"""Reading a log set: list, open, snapshot, follow, recognise formats; the facts and the index beside it."""
