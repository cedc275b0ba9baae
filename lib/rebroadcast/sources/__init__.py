"""What a file is: found, unpacked, its encoding, its form and the profile that knows it."""
