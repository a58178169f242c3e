"""From a job to its pod: queue, memory, places, manifest."""
