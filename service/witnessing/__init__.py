"""A witness of other people's logs: it cosigns a checkpoint only if it extends the one that it cosigned before."""
