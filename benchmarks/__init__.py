"""What wcsync costs: each figure a ratio against a floor or a rival taken in the same run. `make bench`."""
