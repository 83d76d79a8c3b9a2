"""The integration, measured beside the bare limit and beside what people would use instead."""
