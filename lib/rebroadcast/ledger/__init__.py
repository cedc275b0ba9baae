"""Who was tagged, for which broadcast, and the record of a run."""
