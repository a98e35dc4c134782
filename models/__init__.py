"""The twin: physiology, correction, heads, calibration, forecast, what-if. No flwr, no files, no clock."""
