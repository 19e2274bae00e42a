"""From passages to an answer whose every citation holds: evidence, confidence, prompt, support, citations."""
