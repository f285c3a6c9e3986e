"""The stories: one flow per file, and the one place where everything is put together (wiring)."""
