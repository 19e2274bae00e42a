"""How good retrieval and answers are on a user's own questions, and which settings are worth their price."""
