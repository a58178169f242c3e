"""What people and programs get to read: texts, tables, progress, and how a job ended."""
