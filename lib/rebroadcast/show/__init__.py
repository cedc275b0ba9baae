"""Small frames in, figures, words and pieces of HTML out; knows no file and no run."""
