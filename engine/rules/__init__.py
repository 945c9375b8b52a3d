"""The rules: each operation's value next to its vector-Jacobian product."""
