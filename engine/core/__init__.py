"""The engine itself: read context, rule, tape, tensor, operation, in this order."""
