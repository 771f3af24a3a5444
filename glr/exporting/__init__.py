"""Exports: models as SavedModels that need nothing of glr."""
