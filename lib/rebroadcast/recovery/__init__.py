"""What became of each row, the tag, the import files."""
