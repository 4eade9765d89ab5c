"""`datasigil`: describe, sign, publish and revoke; search, lineage and impact at a registry."""
