"""Status lists: bits changed on signed requests, lists signed by the registry's status key."""
