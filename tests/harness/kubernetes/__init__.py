"""A real control plane, those who talk to it, and what it may have besides: played nodes, webhooks, Kueue."""
