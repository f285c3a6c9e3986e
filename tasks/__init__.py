"""The steps of a session that an operator would want to watch, retry or stop; thin shells round core's decisions."""
