"""Training: models trained on registered data, and the queue of jobs from which attached workers claim."""
