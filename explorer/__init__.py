"""Opens .qfb files in Model Explorer."""
