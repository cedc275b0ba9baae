"""Many runs, each tried once more where its process dies, and one index page."""
