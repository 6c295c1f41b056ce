"""A family that composes: its visual language, its scenes, its training and its own GenEval. See README.md here."""
