"""Training: what the registry knows about models trained on registered data."""
