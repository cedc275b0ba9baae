"""What every wing may use and that knows none of them."""
