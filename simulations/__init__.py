"""Virtual clinics, in-process federation, baselines, experiments, benchmarks; not in the bundle."""
