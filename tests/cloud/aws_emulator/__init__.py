"""An emulated AWS for tests: moto, plus what moto lacks for EKS, budgets, quotas, prices, tags and faults. See README.md."""
