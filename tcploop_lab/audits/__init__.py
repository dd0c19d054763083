"""What does a program do that can only meet itself? Run it, judge it, list what is known."""
