"""One answer each; the order of the stages is written here and nowhere else."""
