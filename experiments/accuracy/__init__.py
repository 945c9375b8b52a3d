"""What `accuracy` measures: errors in units in the last place, special values, products."""
