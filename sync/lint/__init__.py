"""What a feature may not do, found in the SQL that dbt compiles. Rules in `rules/`, one file each."""
