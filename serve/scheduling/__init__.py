"""What an engine decides: which rows come next, how many, which are refused."""
