"""Features as events happen: the models of a view, run over the last of a log, and pushed to Redis."""
