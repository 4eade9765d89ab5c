"""The worker attached to a registry: it claims jobs, trains them as `train` does, and hands in what came of it (docs/adr/0090).

Here: `work`, `submit`, `jobs`. Not here: the gate, the run and its files, which are those of a worker alone.
"""
