"""The steps of the flows, each kind in a module of its own."""
