"""The operator: watches SpectrogramJobs, runs each as one pod, and says in status what is true now."""
