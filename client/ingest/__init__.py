"""Readers of what clinics export; each turns files into traces and says what it could not read."""
