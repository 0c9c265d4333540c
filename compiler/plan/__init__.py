"""In which order operators run, and where their tensors lie in the arena."""
