"""How sure the numbers are: what a network's probabilities tell, and what that was worth on patients it never saw."""
