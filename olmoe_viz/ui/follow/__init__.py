"""The page `Follow a token`: a module for every one or two of its steps, and what they share."""
