"""What a notebook opens: parameters, settings, tables, results."""
