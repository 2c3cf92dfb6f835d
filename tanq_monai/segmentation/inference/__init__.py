"""From a scan to labels: windows, models together, components."""
