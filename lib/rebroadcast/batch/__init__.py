"""Many runs, and one index page."""
