"""The dashboards: one file each; dashboard, panels and queries hold what they share."""
