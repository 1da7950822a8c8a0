"""What changed: fingerprints of features, plans between two states of a project, diffs between two tables."""
