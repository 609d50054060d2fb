"""What a registration costs: seconds and memory, and shares of them."""
