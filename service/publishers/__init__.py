"""Publishers: proof of DID control, tokens, and what a publisher is called here."""
