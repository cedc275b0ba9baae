"""Export files in, tables with known columns out, and the rows that could not be read."""
