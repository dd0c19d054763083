"""Studies: many samples of the tries to success, stored as they come, beside the law they should follow."""
