-- One row per feature as the project defines it now, read from the manifest that dbt runs with.
{{ feature_registry() }}
