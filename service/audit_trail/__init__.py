"""Who did what to this registry itself: a hash chain, anchored in the transparency log."""
