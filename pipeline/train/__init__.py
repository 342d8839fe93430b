"""Training and validation: splits, data, losses, schedules, handlers and inferers, on MONAI and Ignite engines."""
