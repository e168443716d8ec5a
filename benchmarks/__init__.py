"""`python -m benchmarks`: what the controller costs, each figure beside its budget and a floor of the same run."""
