"""The page Runs: runs saved as files, opened from files, and set against each other."""
