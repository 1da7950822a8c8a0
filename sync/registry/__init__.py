"""What the dbt manifest says about features; nothing is declared anywhere else."""
