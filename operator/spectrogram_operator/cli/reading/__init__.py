"""What people write, read: jobs in files and of flags, and settings; each mistake says where it stands."""
