"""What a sweep found: ranking, table, what it says in words, and how it is concluded."""
