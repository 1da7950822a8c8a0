"""The SQL of models: their queries, and where each column of them comes from."""
