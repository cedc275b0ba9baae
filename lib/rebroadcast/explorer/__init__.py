"""The same verbs as widgets."""

from .explorer import show

__all__ = ["show"]
