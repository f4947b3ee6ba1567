"""The page for the logs and its JSON API (`logboom[web]`)."""
