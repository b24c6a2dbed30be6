"""What one transaction sees of the records, as rows."""
