"""What a forward and backward pass did, layer by layer, as data."""
