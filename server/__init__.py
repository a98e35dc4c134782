"""The coordinating centre: ServerApp, round loop, checkpoints and reports."""
