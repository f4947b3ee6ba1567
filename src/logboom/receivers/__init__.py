"""What arrives over a network and goes into a journal."""
