"""The demo and the end-to-end test: a real Home Assistant with a year of a home's energy."""
