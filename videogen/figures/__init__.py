"""What the database says of the whole, as metrics: read by one thread every few seconds, never by a scrape."""
