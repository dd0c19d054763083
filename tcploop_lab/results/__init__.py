"""What the lab hands back."""
