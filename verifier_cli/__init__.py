"""`datasigil-verify`: check, gate, fetch, refresh, inspect, trust, policy, card. Never reaches a private key."""
