"""What a computer can say about a dataset's content by reading it: the measurements that `init` shows and `issue` signs as `computed`.

Here: formats, records, completeness, uniqueness, validity, duplicates, languages, dates, and counts of what looks like personal data.
Not here: hashing (`datasigil.datasets`), what people state (`describing`). Every measurement names its method and its bounds.
"""
