"""Features over HTTP. A serving host needs Redis and nothing else: no dbt project, no warehouse."""
