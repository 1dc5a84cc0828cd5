"""Where agents run: the runner's side of the framework processes."""
