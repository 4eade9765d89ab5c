"""What the command lines share, above the rest of the core: how programs are declared and started, and where they find things.

Lives here: parsers and dispatch (`programs`), the environment, the trust file and passphrases (`places`). Not here: any program's
own arguments and commands. Only `verifier_cli`, `publisher_cli` and `training_worker` use it (docs/adr/0004), and together with
`service/settings` it is all that reads the environment.
"""
