"""Networks that only training and its measures use; none of them is shipped."""
