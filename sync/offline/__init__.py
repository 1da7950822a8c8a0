"""Training sets: the project's own `point_in_time_join`, compiled from the manifest and run in the warehouse."""
