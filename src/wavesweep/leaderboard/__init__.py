"""What a sweep found: ranking, table, charts, and how it is concluded."""
