"""Which columns a column is made of, and what is made of it: from source column to Redis key and consumer."""
