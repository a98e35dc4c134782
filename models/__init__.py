"""The twin: physiology, correction, heads, calibration, forecast, what-if; no files, no clock."""
