"""What keeps a traced net from learning: a finding each, with evidence, cause and remedy."""
