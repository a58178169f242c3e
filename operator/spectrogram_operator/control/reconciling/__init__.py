"""One job at a time: what is known of it becomes a look, a status, and what is to be done."""
