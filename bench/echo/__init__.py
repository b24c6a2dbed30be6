"""The yardstick: the least that the same libraries do for the same messages, without a product."""
