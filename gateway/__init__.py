"""The flows between the parts, and the application that holds them."""
