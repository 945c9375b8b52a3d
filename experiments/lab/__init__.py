"""What experiments share: the form of a question, claims and verdicts, results, progress."""
