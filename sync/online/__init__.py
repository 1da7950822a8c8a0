"""The newest row of every entity in Redis: how it is laid out, written and read."""
