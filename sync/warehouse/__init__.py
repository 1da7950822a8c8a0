"""Reads a feature view's newest rows from the warehouse that dbt's profile names, as Arrow."""
