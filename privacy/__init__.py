"""The promise: plan, accountants, mechanism, ledger, gate and verifier. No flwr."""
