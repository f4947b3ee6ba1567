"""One module a scenario, each with `run(spec, contender) -> measures`."""
