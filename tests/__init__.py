"""Tests of Flatpeak for Home Assistant."""
