"""Channels, load in a window, overflow, waves: tables and numbers in, frames out."""
