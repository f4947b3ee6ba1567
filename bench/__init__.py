"""logboom beside its peers, measured on the machine it runs on; `python -m bench --help`."""
