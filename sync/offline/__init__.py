"""Training sets: the project's own `point_in_time_join`, compiled and run in the warehouse."""
