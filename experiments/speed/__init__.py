"""What `speed` measures and how: cases, rivals in processes of their own, blocks in turn."""
