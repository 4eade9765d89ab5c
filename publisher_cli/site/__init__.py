"""Publishing without a server: a folder of static files that any host can serve, log and status lists included.

Here: the addresses of such a site, its log, its files, its pages, and the commands over them. Not here: signing credentials (`issuing`,
`attesting`), the registry (`publishing`). A site is its publisher's own log and clock; the pages and docs/static-site.md say so.
"""
