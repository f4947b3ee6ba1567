"""What other ways to log from many processes lose, double and tear: the table of the page `choosing.md`."""
