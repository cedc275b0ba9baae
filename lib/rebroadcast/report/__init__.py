"""A notebook run and published, and the text of each notebook."""
