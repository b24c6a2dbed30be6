"""What any service needs to be one; nothing here knows a job, a GPU or a user."""
