"""Trust: whose word counts for what, and what a user requires.

Lives here: the trust file (`policy`), licences (`licensing`), sector profiles (`profiles`). Not here: applying them to a credential
(`verification`).
"""
