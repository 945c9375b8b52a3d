"""Cards: all that is worth knowing of one thing, here of an activation."""
