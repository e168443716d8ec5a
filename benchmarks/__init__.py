"""`python -m benchmarks`: the cost of the controller; each figure beside its budget and a floor of the same run."""
