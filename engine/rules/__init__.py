"""The table of derivatives: each operation beside its vector-Jacobian product."""
