"""Virtual clinics, in-process federation, baselines, experiments and benchmarks. Not in the bundle."""
