"""Tests of the mock itself; see ../README.md for how to run them."""
