"""What the operator tells people who look after it: metrics and log lines. Nothing here decides anything."""
