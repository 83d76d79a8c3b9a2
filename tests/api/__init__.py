"""Tests of the Flatpeak client."""
