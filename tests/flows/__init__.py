"""The flows, over real HTTP to a simulated Flatpeak."""
