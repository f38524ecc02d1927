"""What a sweep found: ranking, table, and what it says in words."""
