"""Where notes come from, one reader a file, and the pipeline that turns any of them into batches."""
