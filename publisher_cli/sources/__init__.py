"""What lies in or beside a dataset's folder and says something about it: cards, licence texts, sheets, Croissant, SPDX.

Here: reading, bounded and strict; everything found names the file that it was found in. Not here: asking people (`describing`).
"""
